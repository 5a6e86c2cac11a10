# The simulator, its soak and the planted bugs.
SIM_SRCS := $(addprefix regress/simulator/,chk_group.c chk_keys.c chk_life.c chk_live.c chk_lock.c chk_options.c \
	    chk_quorum.c chk_view.c client.c disk.c fault.c fence.c heap.c locks.c net.c node.c operator.c build.c edit.c voice.c generate.c \
	    service.c service_dgram.c service_event.c service_kv.c service_level.c \
	    service_state.c service_view.c chk_log.c shrink.c sim.c stranger.c)
SIM_OBJS := $(patsubst %.c,$(O)/%.o,$(SIM_SRCS))

# The core of the version after this one, in the same program: what it defines
# has another name there.
NEXT_SRCS := $(sort $(CORE_SRCS) $(DAEMON_SRCS) $(CONF_SRCS))
NEXT_OBJS := $(patsubst %.c,$(O)/regress/next/%.o,$(CORE_SRCS))
NEXT_LIB := $(O)/regress/next/libnext.a

$(NEXT_LIB): $(NEXT_OBJS)
	$(call say,AR,$@)
	$(Q)nm --defined-only -g $^ | awk 'NF == 3 { print $$3, "next_" $$3 }' | \
	    sort -u >$(O)/regress/next/names
	$(Q)rm -rf $@ $(O)/regress/next/renamed && mkdir -p $(O)/regress/next/renamed
	$(Q)for o in $^; do objcopy --redefine-syms=$(O)/regress/next/names $$o \
	    $(O)/regress/next/renamed/$$(basename $$o) || exit 1; done
	$(Q)$(AR) rcsD $@ $(O)/regress/next/renamed/*.o

# Its daemon, beside which the shipping one must be able to run.
NEXT_DAEMON := $(O)/regress/next/sbin/clusterd
PROGS += $(NEXT_DAEMON)
$(NEXT_DAEMON): $(NEXT_OBJS) $(patsubst %.c,$(O)/regress/next/%.o,\
	    $(DAEMON_SRCS) $(CONF_SRCS)) $(patsubst %.c,$(O)/%.o,$(FENCE_SRCS))
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -pie $(ALL_LDFLAGS) -o $@ $(sort $^) \
	    $(LOOP_LIBS) -lseccomp -lsodium -lyaml -lblkid -lbsd

$(call prog,regress/sim,$(SIM_SRCS),$(NEXT_LIB) $(O)/clusterd/libcore.a -lsodium)
$(call shtest,regress/simulator/sim_test)

# sim-soak: SEEDS of them, from FIRST on; JOBS at a time.
SEEDS	?= 10000
FIRST	?= 1
JOBS	?= $(shell nproc)

sim-soak: $(O)/regress/sim
	$(O)/regress/sim -s $(FIRST) -c $(SEEDS) -j $(JOBS) -k

# sim-soak-any: configurations drawn from all there is, 2 to 16 nodes, of two
# versions.  A line for each failure, then the sums; FIRST=N goes on from N.
sim-soak-any: $(O)/regress/sim
	$(O)/regress/sim -g -w -s $(FIRST) -j $(JOBS) -k -c $(SEEDS)

# sim-soak-pairs: two nodes and a quorum disk, or two_node, for longer than
# others.
sim-soak-pairs: $(O)/regress/sim
	@status=0; for p in swarm disk pause; do \
		$(O)/regress/sim -n 2 -T 20 -p $$p -s $(FIRST) -j $(JOBS) -k \
		    -c $(SEEDS) || status=1; \
	done; \
	$(O)/regress/sim -r -T 20 -s $(FIRST) -j $(JOBS) -k -c $(SEEDS) || \
		status=1; exit $$status

# sim-soak-64: large clusters, 17 to 64 nodes, from seed FIRST on: NODES:SEEDS.
LARGE	?= 17:16 24:12 32:8 40:6 48:4 64:4

sim-soak-64: $(O)/regress/sim
	@status=0; for l in $(LARGE); do \
		echo "$${l%:*} nodes:"; \
		$(O)/regress/sim -n $${l%:*} -c $${l#*:} -s $(FIRST) -T 2 \
		    -j $(JOBS) -k || status=1; \
	done; exit $$status

# sim-detect: a table of how soon the loss of a node is noticed; fails when
# one takes more than 0.8 s of virtual time.
sim-detect: $(O)/regress/sim
	sh regress/simulator/detect.sh $(O)/regress/sim

VOTE_MODEL_OBJS := $(addprefix $(O)/,regress/unit/vote_model_test.o clusterd/log.o)
DEVICE_MODEL_OBJS := $(addprefix $(O)/,regress/unit/device_test.o clusterd/log.o)
FIXTURE_OBJS := $(addprefix $(O)/,$(addprefix regress/unit/,fixture.o fixture_chaos.o \
		fixture_fakes.o) clusterd/log.o)
LINK_OBJS := $(addprefix $(O)/,regress/unit/link_world.o clusterd/log.o)
MUTANT_LIBS := $(O)/clusterd/libcore.a -lsodium -lbsd

# mutants: all of MUTANTS, or those named in ONLY.
mutants: $(O)/regress/sim $(addprefix $(O)/regress/unit/,vote_model_test device_test member_test order_test \
	    lease_test link_mtu_test link_policy_test link_relay_test ballot_test \
	    keys_test link_keys_test link_test beat_test dlm_recover_test install_test)
	@JOBS='$(JOBS)' CC_CORE='$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS)' \
	    LD_SIM='$(CC) $(ALL_CFLAGS) -pie $(ALL_LDFLAGS)' \
	    SIM_OBJS='$(SIM_OBJS) $(NEXT_LIB) $(MUTANT_LIBS)' \
	    beat_OBJS='$(O)/regress/unit/beat_test.o $(LINK_OBJS) $(MUTANT_LIBS) -latf-c' \
	    link_OBJS='$(O)/regress/unit/link_test.o $(LINK_OBJS) $(MUTANT_LIBS) -latf-c' \
	    link_mtu_OBJS='$(O)/regress/unit/link_mtu_test.o $(LINK_OBJS) $(MUTANT_LIBS) -latf-c' \
	    link_policy_OBJS='$(O)/regress/unit/link_policy_test.o $(LINK_OBJS) $(MUTANT_LIBS) -latf-c' \
	    link_relay_OBJS='$(O)/regress/unit/link_relay_test.o $(LINK_OBJS) $(MUTANT_LIBS) -latf-c' \
	    member_OBJS='$(O)/regress/unit/member_test.o $(FIXTURE_OBJS) $(MUTANT_LIBS) -latf-c' \
	    keys_OBJS='$(O)/regress/unit/keys_test.o $(FIXTURE_OBJS) $(MUTANT_LIBS) -latf-c' \
	    link_keys_OBJS='$(O)/regress/unit/link_keys_test.o $(LINK_OBJS) $(MUTANT_LIBS) -latf-c' \
	    ballot_OBJS='$(O)/regress/unit/ballot_test.o $(FIXTURE_OBJS) $(MUTANT_LIBS) -latf-c' \
	    order_OBJS='$(O)/regress/unit/order_test.o $(FIXTURE_OBJS) $(MUTANT_LIBS) -latf-c' \
	    lease_OBJS='$(O)/regress/unit/lease_test.o $(O)/clusterd/log.o $(MUTANT_LIBS) -latf-c' \
	    install_OBJS='$(O)/regress/unit/install_test.o $(O)/clusterd/log.o $(MUTANT_LIBS) -latf-c' \
	    dlm_OBJS='$(O)/regress/unit/dlm_recover_test.o $(O)/regress/unit/dlm_fixture.o $(O)/clusterd/log.o $(MUTANT_LIBS) -latf-c' \
	    device_OBJS='$(DEVICE_MODEL_OBJS) $(MUTANT_LIBS) -latf-c' \
	    vote_OBJS='$(VOTE_MODEL_OBJS) $(MUTANT_LIBS) -latf-c' \
	    sh regress/simulator/mutants.sh $(O) $(ONLY)
