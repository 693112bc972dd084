# shellcheck shell=bash
# Breaks a script at one of its steps, from outside: bash reads this file first (BASH_ENV), and the script runs unchanged.
# FAULT is the moment, FAULT_STEP the number of the step, from 1.
#
#   fails   the step's command fails instead of running, after the step was noted in the journal
#   before  killed when the step is about to begin: nothing of it is noted
#   noted   killed between note and command: in doubt, not done
#   done    killed between command and whatever follows it: in doubt, done
#
# A step is what follows `step` on the way up and `undo` on the way down. These come with steps.bash, so they are wrapped
# at the first command after it. A step's command is caught where steps.bash runs it, by a function of the command's name.
unset BASH_ENV # not in the scripts that the steps run
__fault_step=0
exec {__fault_said}>&2 # steps.bash may have other uses for what a command says

__fault_say() { printf 'fault: %s at step %s: %s\n' "$FAULT" "$__fault_step" "$*" >&"$__fault_said"; }

__fault_die() {
    kill -9 $$ $BASHPID
    sleep 9 # until the signal is there
}

__fault_copy() { eval "$2$(declare -f "$1" | sed '1s/^[^ ]*//')"; }

__fault_wrap() {
    local word
    for word in step undo finish; do
        if declare -F "$word" >/dev/null; then
            __fault_copy "$word" "__fault_${word}_of_script"
            eval "$word() { __fault_before $word \"\$@\"; __fault_${word}_of_script \"\$@\"; }"
        fi
    done
}

__fault_before() { # WORD [COMMAND …]
    __fault_step=$((__fault_step + 1))
    ((__fault_step == FAULT_STEP)) || return 0
    if [[ $FAULT == before ]]; then
        __fault_say "$*"
        __fault_die
    fi
    [[ $1 == finish ]] || __fault_catch "${@:2}"
}

# The next time exactly this command runs, it meets its fault; other uses of its name are left alone.
__fault_catch() {
    __fault_command=("$@")
    __fault_real=("$1")
    if declare -F "$1" >/dev/null; then
        __fault_copy "$1" __fault_real_function
        __fault_real=(__fault_real_function)
    elif [[ $(type -t "$1") == builtin ]]; then
        __fault_real=(builtin "$1")
    else
        __fault_real=(command "$1")
    fi
    eval "$1() { __fault_meet \"\$@\"; }"
}

__fault_meet() {
    local name=${__fault_command[0]}
    if [[ ${__fault_met-} || "$*" != "${__fault_command[*]:1}" ]]; then
        "${__fault_real[@]}" "$@"
        return
    fi
    __fault_met=yes
    __fault_say "$name $*"
    case $FAULT in
        fails) return 1 ;;
        noted) __fault_die ;;
        done)
            "${__fault_real[@]}" "$@" || true
            __fault_die
            ;;
    esac
}

# steps.bash removes the functions of its caller, so they are kept as text. The trap is here, since a function cannot take
# back its caller's.
__fault_functions=$(declare -f)
trap 'if declare -F finish >/dev/null; then eval "$__fault_functions"; __fault_wrap; trap - DEBUG; fi' DEBUG
