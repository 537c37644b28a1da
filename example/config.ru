# The application behind the proxy: answers with what it was asked and who it was told the client is.
run(lambda do |env|
  told = env.select { |name, _| name.start_with?('HTTP_') }.sort
  lines = told.map { |name, value| "#{name.delete_prefix('HTTP_').split('_').map(&:capitalize).join('-')}: #{value}" }
  body = ["The application was asked: #{env['REQUEST_METHOD']} #{env['PATH_INFO']}", *lines, ''].join("\n")
  [200, { 'content-type' => 'text/plain', 'content-length' => body.bytesize.to_s }, [body]]
end)
