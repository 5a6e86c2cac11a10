# The shell around the core: processes, local messages, clients, agents.
CORE_A := $(O)/clusterd/libcore.a
$(call test,regress/unit/msg_test,regress/unit/msg_test.c clusterd/msg.c clusterd/log.c,$(CORE_A) -lsodium)
$(call test,regress/unit/store_test,regress/unit/store_test.c clusterd/store.c clusterd/file.c clusterd/log.c,$(CORE_A) -lsodium)
$(call test,regress/unit/keyfile_test,regress/unit/keyfile_test.c clusterd/keyfile.c clusterd/file.c clusterd/log.c,$(CORE_A) -lsodium)
$(call test,regress/unit/sandbox_test,regress/unit/sandbox_test.c clusterd/sandbox.c clusterd/proc.c clusterd/log.c,-lseccomp)
$(call test,regress/unit/control_test,regress/unit/control_test.c clusterd/control.c $(LOOP_SRCS) clusterd/log.c,$(CORE_A) $(LOOP_LIBS) -lsodium)
$(call test,regress/unit/run_test,regress/unit/run_test.c fence/run.c fence/device.c clusterd/loop.c clusterd/log.c,$(CORE_A) $(LOOP_LIBS) -lsodium)
$(call test,regress/unit/net_test,regress/unit/net_test.c clusterd/net.c clusterd/sockets.c clusterd/loop.c clusterd/log.c,$(CORE_A) $(LOOP_LIBS) -lsodium)
$(call test,regress/unit/mounts_test,regress/unit/mounts_test.c clusterd/mounts.c clusterd/loop.c clusterd/log.c,$(LOOP_LIBS))
$(call test,regress/unit/fence_test,regress/unit/fence_test.c $(FENCE_SRCS) $(CONF_SRCS) $(LOOP_SRCS) clusterd/proc.c clusterd/conf_pipe.c clusterd/log.c,$(CORE_A) $(LOOP_LIBS) -lyaml -lsodium)
$(call test,regress/unit/witness_wire_test,regress/unit/witness_wire_test.c clusterd/witness_wire.c clusterd/log.c,$(CORE_A) -lsodium)
$(call test,regress/unit/witness_state_test,regress/unit/witness_state_test.c $(WITNESS_SRCS) clusterd/witness_file.c clusterd/file.c clusterd/log.c,$(CORE_A) -lsodium)
$(call test,regress/unit/witness_client_test,regress/unit/witness_client_test.c clusterd/witness_client.c clusterd/witness_wire.c clusterd/frames.c clusterd/net.c clusterd/loop.c clusterd/log.c,$(CORE_A) $(LOOP_LIBS) -lsodium)
