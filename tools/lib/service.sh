# shellcheck shell=bash disable=SC2034,SC2154 # variables shared with the script that reads this
# Background processes of a script: started with a log file each, watched, and stopped in the reverse order.
# The script sets log_dir before the first start_service.

service_names=()
service_pids=()

# start_service NAME COMMAND…  Each gets a session of its own, so that Ctrl-C reaches this script alone and the
# processes end in the order that stop_services gives.
start_service() {
    local name=$1
    shift
    setsid "$@" >"$log_dir/$name.log" 2>&1 </dev/null &
    service_names+=("$name")
    service_pids+=($!)
}

is_running() {
    kill -0 "$1" 2>/dev/null
}

show_log() {
    printf -- '---- %s (its last lines)\n' "$log_dir/$1.log" >&2
    tail -n 40 "$log_dir/$1.log" >&2
    printf -- '----\n' >&2
}

# wait_ready NAME  Until the service started last has printed its ready line.
wait_ready() {
    local name=$1 pid=${service_pids[-1]} deadline=$((SECONDS + 30))
    until grep -q "^rejoin-[a-z]* ready" "$log_dir/$name.log"; do
        if ! is_running "$pid"; then
            show_log "$name"
            die "$name ended before it was ready"
        fi
        if [ "$SECONDS" -ge "$deadline" ]; then
            show_log "$name"
            die "$name did not become ready within 30 seconds"
        fi
        sleep 0.05
    done
}

# Waits until a service ends, which none should, and says which. It looks twice a second, because `wait -n` can
# miss a process that ended before it was called.
watch_services() {
    local i
    while true; do
        for i in "${!service_pids[@]}"; do
            if ! is_running "${service_pids[i]}"; then
                show_log "${service_names[i]}"
                complain "${service_names[i]} has ended; stopping the rest"
                return
            fi
        done
        sleep 0.5
    done
}

stop_service() {
    local pid=$1 deadline=$((SECONDS + 10))
    kill -TERM "$pid" 2>/dev/null || true
    while is_running "$pid" && [ "$SECONDS" -lt "$deadline" ]; do
        sleep 0.05
    done
    if is_running "$pid"; then
        complain "process $pid did not end within 10 seconds: killed"
        kill -KILL "$pid" 2>/dev/null || true
    fi
    wait "$pid" 2>/dev/null || true
}

# What was started last is stopped first: gateways before their broker.
stop_services() {
    local i
    for ((i = ${#service_pids[@]} - 1; i >= 0; i--)); do
        stop_service "${service_pids[i]}"
    done
    service_names=()
    service_pids=()
}
