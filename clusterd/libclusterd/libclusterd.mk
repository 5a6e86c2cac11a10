# libclusterd: an archive for our own programs, a shared library for others.
CL_SRCS := clusterd/libclusterd/cl_conn.c clusterd/libclusterd/cl_member.c \
	clusterd/libclusterd/cl_group.c clusterd/libclusterd/cl_state.c \
	clusterd/libclusterd/cl_lock.c \
	clusterd/libclusterd/cl_fence.c clusterd/libclusterd/cl_show.c \
	clusterd/libclusterd/cl_ask.c clusterd/libclusterd/cl_event.c \
	clusterd/libclusterd/cl_level.c clusterd/libclusterd/cl_kv.c \
	clusterd/libclusterd/cl_dgram.c \
	clusterd/msg.c clusterd/buf.c
$(call archive,clusterd/libclusterd.a,$(CL_SRCS))
$(call shlib,lib/libclusterd.so.0,$(CL_SRCS) clusterd/libclusterd/cl_assert.c,,clusterd/libclusterd/libclusterd.map)
INSTALL_LIB += $(O)/lib/libclusterd.so.0
INSTALL_HDR += clusterd/libclusterd/clusterd.h \
	clusterd/libclusterd/clusterd_services.h
