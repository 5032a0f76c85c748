# Runs on host A: does one thing with GNOME's gvfs, in a session bus of its own; script-clients.ts has the verbs.
# usage: dbus-run-session sh gvfs.sh HOST PORT USER PASSWORD passive VERB ARGUMENT...
set -eu
host=$1 port=$2 user=$3 password=$4 verb=$6
shift 6
case $host in *:*) host="[$host]" ;; esac
url="ftp://$user@$host:$port"
printf '%s\n' "$password" | gio mount "$url/" >&2
case $verb in
list) gio list "$url/$1" ;;
get) gio copy "$url/$1" "$2" ;;
put) gio copy "$1" "$url/$2" ;;
getMany)
    into=$2
    folder="$url/$1"
    set -- $(gio list "$folder" | sed "s|^|$folder/|")
    gio copy "$@" "$into/" ;;
putMany) gio copy "$1"/* "$url/$2/" ;;
abort)
    gio copy "$url/$1" "$2" & copy=$!
    until [ -s "$2" ]; do sleep 0.1; done
    kill $copy
    if wait $copy; then exit 1; fi
    gio copy "$url/$3" "$4" ;;
esac
gio mount -u "$url/"
