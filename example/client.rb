# A client with a certificate, in plain Ruby: ruby client.rb [URL [DIRECTORY OF THE CERTIFICATES]]
# Ends with 0 if the answer is 2xx.
require 'net/http'
require 'openssl'
require 'uri'

url = URI.parse(ARGV[0] || 'https://localhost:8443/')
certs = ARGV[1] || '.'

http = Net::HTTP.new(url.host, url.port)
http.use_ssl = true
http.cert = OpenSSL::X509::Certificate.new(File.read(File.join(certs, 'client.crt')))
http.key = OpenSSL::PKey.read(File.read(File.join(certs, 'client.key')))
# Not needed when the server's certificate comes from a CA that the system trusts already.
http.ca_file = File.join(certs, 'ca.crt')

response = http.request(Net::HTTP::Get.new(url.request_uri))

puts "Response Code: #{response.code}"
puts "Response Body: #{response.body}"
exit response.is_a?(Net::HTTPSuccess)
