# Serving on a real broker: raw peers as a gateway and as backends.
add_library(rj_test_serve STATIC serve_support.c)
target_link_libraries(rj_test_serve PUBLIC rj_test_peer PkgConfig::CMOCKA)

foreach(test test_broker_serve test_broker_instances test_broker_admission test_broker_asks
        test_broker_serve_random test_broker_limits)
    rj_unit_tests(${test} process rj_test_serve)
    add_dependencies(${test} rejoin-broker)
endforeach()
