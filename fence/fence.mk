# The fence process: a role of the daemon's one program.
FENCE_SRCS := fence/fence.c fence/device.c fence/run.c
