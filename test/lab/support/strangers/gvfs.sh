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
getMany) gio list "$url/$1" | while read -r name; do gio copy "$url/$1/$name" "$2/$name"; done ;;
putMany) for file in "$1"/*; do gio copy "$file" "$url/$2/${file##*/}"; done ;;
abort)
    gio copy "$url/$1" "$2" & copy=$!
    until [ -s "$2" ]; do sleep 0.1; done
    kill -INT $copy
    wait $copy && exit 1
    gio copy "$url/$3" "$4" ;;
esac
gio mount -u "$url/"
