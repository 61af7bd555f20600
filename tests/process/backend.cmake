# librejoin and rejoinctl against a real broker.
add_library(rj_test_backend STATIC backend_support.c)
target_link_libraries(rj_test_backend PUBLIC rejoin rj_test_process rj_flags PkgConfig::CMOCKA)

foreach(name test_backend_publish test_backend_tail test_backend_ctl)
    rj_unit_tests(${name} process rj_test_backend rj_base)
    add_dependencies(${name} rejoin-broker rejoinctl rejoin-example-publisher)
endforeach()
