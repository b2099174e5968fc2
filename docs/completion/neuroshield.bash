# Completion for bash, from the program's own tables: commands, then the options of the command, else files.
_neuroshield()
{
    local word=${COMP_WORDS[COMP_CWORD]} from=neuroshield
    if [ "$COMP_CWORD" -gt 1 ]; then
        [[ "$word" == -* ]] || { mapfile -t COMPREPLY < <(compgen -f -- "$word"); return; }
        from="neuroshield ${COMP_WORDS[1]}"
    fi
    mapfile -t COMPREPLY < <(compgen -W "$($from --help=words 2>/dev/null)" -- "$word")
}
complete -o filenames -F _neuroshield neuroshield
