$(call test,regress/unit/output_test,regress/unit/output_test.c regress/gfs/sh.c shell/out_text.c shell/out_json.c clusterd/log.c)
