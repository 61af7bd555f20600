rj_unit_tests(test_bench_members unit rj_bench)
rj_unit_tests(test_bench_publishers unit rj_bench)
rj_unit_tests(test_bench_report unit rj_bench)
rj_unit_tests(test_bench_floor unit rj_bench)
