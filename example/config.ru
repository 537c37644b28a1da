# The application behind the proxy: answers with what it was asked and who it was told the client is,
# and says the same in its log.
$stdout.sync = true

run(lambda do |env|
  asked = "#{env['REQUEST_METHOD']} #{env['PATH_INFO']}"
  puts "#{asked} #{env['HTTP_X_CLIENT_DN']}"
  told = env.select { |name, _| name.start_with?('HTTP_') && name != 'HTTP_VERSION' }.sort
  lines = told.map { |name, value| "#{name.delete_prefix('HTTP_').split('_').map(&:capitalize).join('-')}: #{value}" }
  body = ["The application was asked: #{asked}", *lines, ''].join("\n")
  [200, { 'content-type' => 'text/plain', 'content-length' => body.bytesize.to_s }, [body]]
end)
