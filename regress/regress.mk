# Tests: every folder under regress/ adds its own with its .mk files.
include $(sort $(wildcard regress/*/*.mk))
