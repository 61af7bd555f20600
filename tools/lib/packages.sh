# shellcheck shell=bash disable=SC2034,SC2154 # variables shared with the script that reads this
# Installs what is missing, and asks the package managers for nothing else.

# What a build of any kind needs. CMake looks for cmocka in every build, because the tests are part of it.
build_packages=(
    gcc libc6-dev cmake ninja-build pkg-config
    protobuf-compiler protobuf-c-compiler libprotobuf-c-dev
    libzmq3-dev libwebsockets-dev libwebsockets-evlib-uv libuv1-dev
    liblmdb-dev libyaml-dev libisal-dev uthash-dev libcmocka-dev
)

# What only tools/check needs, beside a browser.
check_packages=(clang clang-format libclang-rt-14-dev llvm)

is_installed() {
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "root is needed to install packages: run as root, or install sudo; wanted: $*"
    fi
}

install_packages() {
    say "installing: $*"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$@" >/dev/null
}

has_node() {
    command -v npm >/dev/null &&
        node -e 'process.exit(Number(process.versions.node.split(".")[0]) >= 18 ? 0 : 1)' 2>/dev/null
}

has_browser() {
    command -v chromium >/dev/null || command -v chromium-browser >/dev/null ||
        command -v google-chrome >/dev/null
}

# need_packages PACKAGE…  The words `node` and `browser` stand for any Node.js of at least version 18 with
# npm, and for any Chromium, wherever they came from.
need_packages() {
    local missing=() package
    command -v dpkg-query >/dev/null || die "this script knows Debian's packages only; see its list in tools/lib"
    for package in "$@"; do
        case $package in
            node) has_node || missing+=(nodejs npm ca-certificates) ;;
            browser) has_browser || missing+=(chromium) ;;
            *) is_installed "$package" || missing+=("$package") ;;
        esac
    done
    if [ ${#missing[@]} -gt 0 ]; then
        install_packages "${missing[@]}"
    fi
    case " $* " in
        *" node "*) has_node || die "Node.js 18 or newer is needed, with npm" ;;
    esac
}

# Brings the node_modules of folder $1 to what its package-lock.json says, unless that was done before.
need_node_modules() {
    local folder=$1
    if cmp -s "$folder/package-lock.json" "$folder/node_modules/.installed"; then
        return
    fi
    say "npm ci in ${folder#"$root"/}"
    (cd "$folder" && npm ci --no-audit --no-fund --loglevel=error </dev/null)
    cp "$folder/package-lock.json" "$folder/node_modules/.installed"
}
