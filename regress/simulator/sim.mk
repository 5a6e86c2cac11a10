# The simulator: the core that ships, in virtual time.
SIM_SRCS := regress/simulator/sim.c regress/simulator/simnode.c \
	regress/simulator/simnet.c regress/simulator/simfence.c \
	regress/simulator/simclient.c regress/simulator/oracle.c
$(call prog,regress/sim,$(SIM_SRCS),$(O)/clusterd/libcore.a -lsodium)
