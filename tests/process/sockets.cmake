# Targets and socket commands on a real broker: raw peers as gateways and as a backend.
add_library(rj_test_sockets STATIC sockets_support.c)
target_link_libraries(rj_test_sockets PUBLIC rj_test_serve)

foreach(test test_broker_targets test_broker_sockets test_broker_reads test_broker_optimistic
        test_broker_names)
    rj_unit_tests(${test} process rj_test_sockets)
    add_dependencies(${test} rejoin-broker)
endforeach()
