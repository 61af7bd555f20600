# rejoinctl on data folders.
rj_unit_tests(test_ctl_care process rj_test_backend)
add_dependencies(test_ctl_care rejoin-broker rejoinctl)
