# The pure core.  Every part adds its line here once its sources compile.
CORE_SRCS += clusterd/core/bus.c clusterd/core/rng.c
CORE_SRCS += clusterd/core/client.c clusterd/core/changes.c
CORE_SRCS += clusterd/core/node.c clusterd/core/member.c \
	     clusterd/core/member_graph.c clusterd/core/member_hold.c clusterd/core/member_part.c \
	     clusterd/core/member_round.c clusterd/core/member_wire.c \
	     clusterd/core/member_vote.c clusterd/core/member_device.c \
	     clusterd/core/device.c clusterd/core/vote.c clusterd/core/vote_options.c clusterd/core/lease.c \
	     clusterd/core/quorum.c clusterd/core/quorum_cmd.c clusterd/core/quorum_value.c clusterd/core/order.c \
	     clusterd/core/order_view.c clusterd/core/order_wire.c \
	     clusterd/core/fencing.c clusterd/core/fencing_cmd.c \
	     clusterd/core/fencing_run.c clusterd/core/fencing_table.c \
	     clusterd/core/group.c clusterd/core/group_client.c \
	     clusterd/core/group_state.c
CORE_SRCS += clusterd/core/svc.c clusterd/core/evchan.c \
	     clusterd/core/evchan_client.c clusterd/core/evchan_keep.c \
	     clusterd/core/levels.c clusterd/core/barrier.c \
	     clusterd/core/kv.c clusterd/core/kv_client.c clusterd/core/dgram.c
CORE_SRCS += clusterd/core/dlm.c clusterd/core/dlm_dir.c \
	     clusterd/core/dlm_grant.c clusterd/core/dlm_master.c \
	     clusterd/core/dlm_mode.c clusterd/core/dlm_proc.c \
	     clusterd/core/dlm_recover.c clusterd/core/dlm_rsb.c \
	     clusterd/core/dlm_space.c clusterd/core/dlm_wire.c
CORE_SRCS += clusterd/core/wire.c clusterd/core/seal.c clusterd/core/stream.c \
	     clusterd/core/link.c clusterd/core/link_path.c \
	     clusterd/core/link_session.c clusterd/core/link_beat.c \
	     clusterd/core/link_keys.c clusterd/core/link_mtu.c \
	     clusterd/core/link_policy.c clusterd/core/link_due.c \
	     clusterd/core/link_relay.c \
	     clusterd/core/keys.c clusterd/core/keys_cmd.c clusterd/core/beat.c
CORE_SRCS += clusterd/core/lspace.c clusterd/core/lspace_client.c \
	     clusterd/core/lspace_snap.c clusterd/core/lspace_view.c
CORE_SRCS += clusterd/core/show.c clusterd/core/show_row.c clusterd/core/show_timers.c clusterd/core/backlog.c clusterd/core/names.c
