rj_unit_tests(test_room unit rj_broker)
rj_unit_tests(test_session unit rj_broker)
rj_unit_tests(test_delivery unit rj_broker)
rj_unit_tests(test_message unit rj_broker)
