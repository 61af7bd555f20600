# The real broker and raw peers.
add_library(rj_test_rejoin STATIC rejoin_support.c)
target_link_libraries(rj_test_rejoin PUBLIC rj_test_peer PkgConfig::CMOCKA)

foreach(test test_broker_rooms test_broker_links test_broker_backend)
    rj_unit_tests(${test} process rj_test_peer)
    add_dependencies(${test} rejoin-broker)
endforeach()
foreach(test test_broker_behind test_broker_held test_broker_order test_broker_refill test_broker_rejoin test_broker_retention test_broker_sifting test_broker_takeover)
    rj_unit_tests(${test} process rj_test_rejoin)
    add_dependencies(${test} rejoin-broker)
endforeach()
