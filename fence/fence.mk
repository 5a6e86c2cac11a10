# The fence process, and the program it is a role of.
FENCE_SRCS := fence/fence.c fence/device.c fence/run.c

$(call prog,sbin/clusterd,$(DAEMON_SRCS) $(FENCE_SRCS) $(CONF_SRCS),$(O)/clusterd/libcore.a $(LOOP_LIBS) -lseccomp -lsodium -lyaml -lblkid)
INSTALL_SBIN += $(O)/sbin/clusterd
