# The daemon, its core, and the client library.  Each part adds its own line;
# a line is added when its sources compile.

BASE_SRCS := clusterd/buf.c clusterd/log.c
CORE_SRCS := clusterd/buf.c clusterd/keyring.c
CORE_SRCS += clusterd/conf.c clusterd/conf_check.c clusterd/conf_valid.c \
	     clusterd/conf_print.c clusterd/conf_msg.c
# What reads the file; needs -lyaml and libcore.a.
CONF_SRCS := clusterd/conf_load.c clusterd/conf_yaml.c clusterd/conf_tree.c \
	     clusterd/conf_schema.c clusterd/conf_fence.c \
	     clusterd/conf_transport.c clusterd/conf_qdevice.c \
	     clusterd/conf_value.c clusterd/conf_addr.c clusterd/conf_error.c

# What the processes of the daemon share, without any main of theirs.
LOOP_SRCS := clusterd/loop.c clusterd/ipc.c clusterd/msg.c
LOOP_LIBS := -levent_core
# Of the witness, what is pure.
WITNESS_SRCS := clusterd/witness_wire.c clusterd/witness_state.c
DAEMON_SRCS := clusterd/clusterd.c clusterd/parent.c clusterd/mounts.c \
	       clusterd/sockets.c clusterd/file.c clusterd/store.c clusterd/conf_pipe.c \
	       clusterd/child.c clusterd/proc.c clusterd/sandbox.c clusterd/engine.c \
	       clusterd/words.c \
	       clusterd/net.c clusterd/control.c clusterd/beat.c \
	       clusterd/beat_child.c clusterd/keyfile.c \
	       clusterd/qdevice.c clusterd/qdevice_child.c \
	       clusterd/qdevice_link.c clusterd/qdisk.c clusterd/opener.c \
	       clusterd/helper.c clusterd/heuristics.c \
	       clusterd/qdisk_make.c clusterd/qdisk_format.c \
	       clusterd/witness.c clusterd/witness_server.c \
	       clusterd/witness_file.c clusterd/witness_client.c \
	       $(WITNESS_SRCS) clusterd/frames.c $(LOOP_SRCS) clusterd/log.c

include clusterd/core/core.mk
include $(sort $(filter-out clusterd/core/core.mk,$(wildcard clusterd/*/*.mk)))

$(call archive,clusterd/libcore.a,$(CORE_SRCS))
