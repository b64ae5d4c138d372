# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Completes the options and the command of noselfconn, the options and listening ports of noselfconn-audit, and
# the words of noselfconn-firewall.

# bash splits "--log=FILE" into three words.
_noselfconn() {
    local current=${COMP_WORDS[COMP_CWORD]} options=yes i
    local last=${COMP_WORDS[COMP_CWORD - 1]}
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        --)
            options=no
            ((i++))
            break
            ;;
        --log) [[ ${COMP_WORDS[++i]-} != = ]] || ((i++)) ;;
        -*) ;;
        *) break ;;
        esac
    done
    if ((i < COMP_CWORD)); then
        # Without bash-completion: file names.
        if declare -F _command_offset >/dev/null; then
            _command_offset "$i"
        else
            mapfile -t COMPREPLY < <(compgen -f -- "$current")
        fi
    elif [[ $last == --log || ($last == = && ${COMP_WORDS[COMP_CWORD - 2]} == --log) ]]; then
        mapfile -t COMPREPLY < <(compgen -W stderr -f -- "${current#=}")
    elif [[ $options == yes && $current == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W '--check --force --help --log --observe --trace --version -h' -- "$current")
    else
        mapfile -t COMPREPLY < <(compgen -c -- "$current")
    fi
}

_noselfconn_audit() {
    local current=${COMP_WORDS[COMP_CWORD]} ports=
    if [[ $current == -* ]]; then
        ports='--free --help --openmetrics --processes --sockets --version -h'
    else
        ports=$(noselfconn-audit 2>/dev/null | sed -n 's/^  .*:\([0-9]*\) (.*/\1/p' | sort -u)
    fi
    mapfile -t COMPREPLY < <(compgen -W "$ports" -- "$current")
}

_noselfconn_firewall() {
    mapfile -t COMPREPLY < <(compgen -W 'on off status --help --version' -- "${COMP_WORDS[COMP_CWORD]}")
}

complete -F _noselfconn noselfconn
complete -F _noselfconn_audit noselfconn-audit
complete -F _noselfconn_firewall noselfconn-firewall
