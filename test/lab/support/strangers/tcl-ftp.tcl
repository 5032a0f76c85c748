# Runs on host A: does one thing with the package ftp of tcllib; script-clients.ts has the verbs.
# usage: tclsh tcl-ftp.tcl HOST PORT USER PASSWORD passive|active VERB ARGUMENT...
package require ftp

set args [lassign $argv host port user password mode verb]
proc ftp::DisplayMsg {session message {state ""}} {
    puts stderr $message
}
proc must {ok what} {
    if {!$ok} {
        error "$what failed"
    }
}
proc connect {} {
    global host port user password mode ftp
    set ftp [ftp::Open $host $user $password -port $port -mode $mode -timeout 20]
    must [expr {$ftp >= 0}] open
    must [expr {[ftp::Type $ftp binary] eq "binary"}] type
}
proc names {folder} {
    global ftp
    set names [lmap path [ftp::NList $ftp $folder] {file tail $path}]
    return [lsearch -all -inline -not -regexp $names {^\.\.?$}]
}
proc list_ {folder} {
    puts [join [names $folder] \n]
}
proc get {path file} {
    global ftp
    must [ftp::Get $ftp $path $file] "get $path"
}
proc put {file path} {
    global ftp
    must [ftp::Put $ftp $file $path] "put $file"
}
proc getMany {from into} {
    foreach name [names $from] {
        get $from/$name $into/$name
    }
}
proc putMany {from into} {
    foreach file [lsort [glob $from/*]] {
        put $file $into/[file tail $file]
    }
}
proc resumeGet {path file offset} {
    global ftp
    must [ftp::Reget $ftp $path $file] "reget $path"
}
# It has no REST for uploads.
proc resumePut {file path offset} {
    global ftp
    set channel [open $file rb]
    seek $channel $offset
    must [ftp::Append $ftp -channel $channel $path] "append $file"
}
connect
if {$verb eq "list"} {
    set verb list_
}
$verb {*}$args
ftp::Close $ftp
