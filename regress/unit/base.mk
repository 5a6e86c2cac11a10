$(call test,regress/unit/buf_test,regress/unit/buf_test.c clusterd/buf.c clusterd/log.c)
