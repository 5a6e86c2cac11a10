# The pure core.  Every part adds its line here once its sources compile.
CORE_SRCS += clusterd/core/bus.c clusterd/core/rng.c
CORE_SRCS += clusterd/core/client.c
