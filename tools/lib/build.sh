# shellcheck shell=bash disable=SC2034,SC2154 # variables shared with the script that reads this
# build PRESET [TARGET…]  Configures and builds into build/PRESET.

build() {
    local preset=$1 options=() targets=()
    shift
    if command -v ccache >/dev/null; then
        options+=(-DCMAKE_C_COMPILER_LAUNCHER=ccache)
    fi
    if [ $# -gt 0 ]; then
        targets=(--target "$@")
    fi
    say "building $preset"
    (
        cd "$root" || exit
        quietly "build/$preset/configure.log" cmake --preset "$preset" "${options[@]}" &&
            quietly "build/$preset/build.log" cmake --build "build/$preset" --parallel "$(nproc)" "${targets[@]}"
    )
}
