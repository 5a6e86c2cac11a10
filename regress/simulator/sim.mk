# The simulator, its soak and the planted bugs.
SIM_SRCS := $(addprefix regress/simulator/,chk_group.c chk_live.c chk_lock.c \
	    chk_view.c client.c fault.c fence.c heap.c locks.c net.c node.c sim.c)

$(call prog,regress/sim,$(SIM_SRCS),$(O)/clusterd/libcore.a -lsodium)
