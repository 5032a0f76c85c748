# Puts one file many times with Perl's Net::FTP: arguments are the port, how many times, the file.
# Prints what went wrong.
use strict;
use warnings;
use Net::FTP;

my ($port, $count, $file) = @ARGV;
my $ftp = Net::FTP->new('127.0.0.1', Port => $port, Passive => 1, Timeout => 90) or die "no connection: $@";
$ftp->login('user', 'secret') or die 'no login: ', $ftp->message;
$ftp->binary;
for my $i (1 .. $count) {
    $ftp->put($file, $i) or print "$i: ", $ftp->message;
    print "$i: ", $ftp->message unless $ftp->code == 226;
}
$ftp->quit;
