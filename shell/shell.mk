# clustershell.  The only program that links readline.
SHELL_SRCS := shell/clustershell.c shell/grammar.c shell/complete.c \
	shell/cmd_show.c shell/cmd_act.c shell/out_text.c shell/out_json.c \
	clusterd/log.c
$(call prog,bin/clustershell,$(SHELL_SRCS),$(O)/clusterd/libclusterd.a -lreadline)
INSTALL_BIN += $(O)/bin/clustershell
