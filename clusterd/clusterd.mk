# The daemon, its core, and the client library.  Each part adds its own line;
# a line is added when its sources compile.

BASE_SRCS := clusterd/buf.c clusterd/log.c
CORE_SRCS := clusterd/buf.c
CORE_SRCS += clusterd/conf.c clusterd/conf_check.c clusterd/conf_valid.c \
	     clusterd/conf_print.c clusterd/conf_msg.c

include clusterd/core/core.mk
include $(sort $(filter-out clusterd/core/core.mk,$(wildcard clusterd/*/*.mk)))

$(call archive,clusterd/libcore.a,$(CORE_SRCS))
