# Runs on host A: does one thing with Ruby's Net::FTP; script-clients.ts has the verbs.
# usage: net-ftp.rb HOST PORT USER PASSWORD passive|active VERB ARGUMENT...
require 'net/ftp'

host, port, user, password, mode, verb, *args = ARGV

define_method(:connect) do |&block|
  options = { port: port.to_i, username: user, password: password, passive: mode == 'passive' }
  Net::FTP.open(host, **options, open_timeout: 20, read_timeout: 20, &block)
end

def names(ftp, folder) = ftp.nlst(folder).map { |path| File.basename(path) } - %w[. ..]

verbs = {
  'list' => ->(ftp, folder) { puts names(ftp, folder) },
  'get' => ->(ftp, path, file) { ftp.getbinaryfile(path, file) },
  'put' => ->(ftp, file, path) { ftp.putbinaryfile(file, path) },
  'getMany' => lambda do |ftp, from, into|
    names(ftp, from).each { |name| ftp.getbinaryfile("#{from}/#{name}", "#{into}/#{name}") }
  end,
  'putMany' => lambda do |ftp, from, into|
    Dir.glob("#{from}/*").sort.each { |file| ftp.putbinaryfile(file, "#{into}/#{File.basename(file)}") }
  end,
  'resumeGet' => lambda do |ftp, path, file, _offset|
    ftp.resume = true
    ftp.getbinaryfile(path, file)
  end,
  'resumePut' => lambda do |ftp, file, path, _offset|
    ftp.resume = true
    ftp.putbinaryfile(file, path)
  end,
  # Leaving the block closes the data connection. Its abort() reads one reply, of an unknown number; so the session has to end.
  'abort' => lambda do |ftp, big, _into, path, file|
    catch(:stop) { ftp.retrbinary("RETR #{big}", 65_536) { throw :stop } }
    ftp.close
    connect { |another| another.getbinaryfile(path, file) }
  end
}
connect { |ftp| verbs.fetch(verb).call(ftp, *args) }
