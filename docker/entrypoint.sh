#!/bin/sh
# What a container starts.
#   VERB ...      a verb of simlingo-carla: drive, serve, evaluate, doctor and so on
#   train ...     python -m model.training ...
#   submission    the official evaluator, with the agent and routes that the environment names
#   health        for HEALTHCHECK: does the simulator answer that `serve` started here?
#   PROGRAM ...   any program of the image, for scripts that bring their own command line
set -eu

# The carla package ends its process where there is none, as under `docker run --user`.
export HOME="${HOME:-/tmp}"
# Where `serve` notes its port for `health`.
served=${SIMLINGO_SERVED:-/tmp/simlingo_served_port}

fail() {
    echo "entrypoint: $1" >&2
    exit 2
}

# The value of --port among the arguments, or CARLA's usual one.
port_of() {
    port=2000
    while [ $# -gt 0 ]; do
        case $1 in
            --port) port=${2:-} ;;
            --port=*) port=${1#--port=} ;;
        esac
        shift
    done
    echo "$port"
}

serve() {
    port_of "$@" > "$served"
    # Other containers come from outside the loopback interface.
    exec simlingo-carla serve --host "${SIMLINGO_HOST:-0.0.0.0}" "$@"
}

# Names as in CARLA's and Bench2Drive's scripts; what is not set keeps the evaluator's default.
submission() {
    [ -n "${ROUTES:-}" ] || fail "set ROUTES to a route file, for instance with -e ROUTES=/routes.xml"
    [ -r "$ROUTES" ] || fail "ROUTES=$ROUTES cannot be read; mount it, for instance with -v"
    [ -n "${TEAM_AGENT:-}" ] || fail "set TEAM_AGENT to the agent's file"
    [ -r "$TEAM_AGENT" ] || fail "TEAM_AGENT=$TEAM_AGENT cannot be read"
    set -- --routes "$ROUTES" --agent "$TEAM_AGENT" \
        --agent-config "${TEAM_CONFIG:-}" \
        --track "${CHALLENGE_TRACK_CODENAME:-SENSORS}" \
        --checkpoint "${CHECKPOINT_ENDPOINT:-/results/results.json}" \
        --repetitions "${REPETITIONS:-1}" "$@"
    [ -z "${SIMULATOR:-}" ] || set -- "$@" --simulator "$SIMULATOR"
    [ -z "${ROUTES_SUBSET:-}" ] || set -- "$@" --routes-subset "$ROUTES_SUBSET"
    [ -z "${TM_PORT:-}" ] || set -- "$@" --traffic-manager-port "$TM_PORT"
    [ -z "${RESUME:-}" ] || set -- "$@" --resume
    [ -z "${DEBUG_CHALLENGE:-}" ] || set -- "$@" --debug "$DEBUG_CHALLENGE"
    exec simlingo-carla leaderboard "$@"
}

health() {
    # Containers that drive or train end by themselves when something is wrong.
    [ -e "$served" ] || exit 0
    exec python -c 'import sys, carla
client = carla.Client("127.0.0.1", int(sys.argv[1]))
client.set_timeout(5.0)
print(client.get_server_version())' "$(cat "$served")"
}

[ $# -gt 0 ] || fail "say what to start: a verb (simlingo-carla --help lists them), train, submission or a program"
case $1 in
    train) shift; exec python -m model.training "$@" ;;
    serve | submission | health) verb=$1; shift; "$verb" "$@" ;;
    *)
        case $(command -v -- "$1" || true) in
            /*) exec "$@" ;;
            *) exec simlingo-carla "$@" ;;
        esac
        ;;
esac
