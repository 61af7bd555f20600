rj_unit_tests(test_ctl_print unit rj_ctl)
rj_unit_tests(test_sdk_status unit rejoin rj_base)
rj_unit_tests(test_sdk_handle unit rejoin)

# librejoin against a peer that says what no broker would.
add_library(rj_test_played STATIC ../support/played.c ../support/played_service.c)
target_link_libraries(rj_test_played PUBLIC rejoin rj_proto rj_test_process rj_flags PkgConfig::CMOCKA PRIVATE PkgConfig::ZMQ)
foreach(name test_sdk_link test_sdk_serve test_sdk_jobs test_sdk_post test_sdk_calls)
    rj_unit_tests(${name} unit rj_test_played)
endforeach()
set_tests_properties(unit.test_sdk_post.any_thread_may_post_and_wakes_the_handle PROPERTIES LABELS "unit;threads")
