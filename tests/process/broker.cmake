# The real broker and raw peers.
foreach(test test_broker_rooms test_broker_rejoin test_broker_links test_broker_backend)
    rj_unit_tests(${test} process rj_test_peer)
    add_dependencies(${test} rejoin-broker)
endforeach()
