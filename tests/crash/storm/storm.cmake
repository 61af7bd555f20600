# The fault storm. The number of faults is what CI has the time for; run storm.mjs by hand for more.
set(storm ${CMAKE_CURRENT_LIST_DIR})
rj_node_test(crash.storm_checker ${storm}/checker.test.mjs crash 60)
rj_node_test(crash.storm_sessions ${storm}/sessions.test.mjs crash 60)
rj_node_test(crash.storm_plan ${storm}/plan.test.mjs crash 60)
rj_node_test(crash.storm_sabotage ${storm}/sabotage.test.mjs crash 900)
rj_node_test(crash.storm ${storm}/storm.mjs crash 1200 --faults 120)
set_tests_properties(crash.storm_sabotage crash.storm PROPERTIES RUN_SERIAL ON)
