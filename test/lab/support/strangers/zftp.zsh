# Runs on host A: does one thing with zsh's module zftp; script-clients.ts has the verbs.
# usage: zsh -f zftp.zsh HOST PORT USER PASSWORD passive|active VERB ARGUMENT...
# Debian's zsh/zftp lacks a function of this one.
zmodload zsh/net/tcp
zmodload zsh/zftp
setopt err_exit
host=$1 port=$2 user=$3 password=$4 mode=$5 verb=$6
shift 6
ZFTP_PREFS=${${mode/passive/P}/active/S}
zftp open $host:$port $user $password
zftp type I

get() { zftp get $1 >$2 }
put() { zftp put $2 <$1 }
names() { zftp ls $1 | tr -d '\r' }
case $verb in
list) names $1 ;;
get) get $1 $2 ;;
put) put $1 $2 ;;
getMany) for path_ in $(names $1); do [[ $path_ == (.|..) ]] || get $1/${path_:t} $2/${path_:t}; done ;;
putMany) for file in $1/*; do put $file $2/${file:t}; done ;;
resumeGet) zftp getat $1 $3 >>$2 ;;
resumePut) tail -c +$(($3 + 1)) $1 | zftp putat $2 $3 ;;
esac
zftp quit
