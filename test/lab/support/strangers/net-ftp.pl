# Runs on host A: does one thing with Perl's Net::FTP; script-clients.ts has the verbs.
# usage: net-ftp.pl HOST PORT USER PASSWORD passive|active VERB ARGUMENT...
use strict;
use warnings;
use File::Basename;
use Net::FTP;

my ($host, $port, $user, $password, $mode, $verb, @args) = @ARGV;
my $ftp = Net::FTP->new($host, Port => $port, Passive => $mode eq 'passive' ? 1 : 0, Timeout => 20)
  or die "connect: $@\n";

sub must {
    my ($ok, $what) = @_;
    return $ok if $ok;
    die "$what: " . $ftp->code . ' ' . $ftp->message . "\n";
}

must($ftp->login($user, $password), 'login');
must($ftp->binary, 'binary');

my %verbs = (
    list => sub { print "$_\n" for must(scalar $ftp->ls($_[0]), 'ls')->@* },
    get  => sub { must($ftp->get($_[0], $_[1]), "get $_[0]") },
    put  => sub { must($ftp->put($_[0], $_[1]), "put $_[0]") },
    getMany => sub {
        my ($from, $into) = @_;
        for my $name (grep { !/^\.\.?$/ } map { basename($_) } must(scalar $ftp->ls($from), 'ls')->@*) {
            must($ftp->get("$from/$name", "$into/$name"), "get $name");
        }
    },
    putMany => sub {
        my ($from, $into) = @_;
        for my $file (sort glob("$from/*")) {
            must($ftp->put($file, "$into/" . basename($file)), "put $file");
        }
    },
    resumeGet => sub { must($ftp->get(@_), "get $_[0]") },
    resumePut => sub {
        my ($file, $path, $offset) = @_;
        open(my $handle, '<:raw', $file) or die "$file: $!\n";
        seek($handle, $offset, 0);
        $ftp->restart($offset);
        must($ftp->put($handle, $path), "put $file");
    },
    abort => sub {
        my ($big, $into, $next, $beside) = @_;
        my $data = must($ftp->retr($big), "retr $big");
        $data->read(my $buffer, 65536, 20) or die "no data\n";
        $data->abort;
        must($ftp->get($next, $beside), "get $next after abort");
    },
);
$verbs{$verb}->(@args);
must($ftp->quit, 'quit');
