# The fence process.
