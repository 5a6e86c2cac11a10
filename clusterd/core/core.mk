# The pure core.  Every part adds its line here once its sources compile.
