rj_unit_tests(test_ctl_print unit rj_ctl)
rj_unit_tests(test_sdk_status unit rejoin rj_base)
rj_unit_tests(test_sdk_handle unit rejoin)
rj_unit_tests(test_sdk_link unit rejoin rj_proto rj_test_process PkgConfig::ZMQ)
