// TLS with the tools that people use: curl and openssl.

import DroverClient
import Glibc
import LocalServers
import Testing

extension Integration {
    @Suite("TLS")
    struct Encryption {
        private func makeCertificate(_ directory: TemporaryDirectory, _ name: String) throws -> (
            chain: String, key: String
        ) {
            let chain = "\(directory.path)/\(name)-certificate.pem"
            let key = "\(directory.path)/\(name)-key.pem"
            try Command.runChecked([
                "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                "2",
                "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", chain,
            ])
            return (chain, key)
        }

        @Test func `HTTPS and wss work, older TLS and HTTP/2 do not, and a new certificate is taken without a restart`()
            throws
        {
            let gateway = try RunningGateway(settings: ["web.message_deadline_s": "2"], starts: false)
            let files = try makeCertificate(gateway.directory, "used")
            gateway.set("web.tls_certificate", files.chain)
            gateway.set("web.tls_key", files.key)
            try gateway.start()
            let key = try gateway.key()
            let address = "https://localhost:\(gateway.port)"
            func curl(_ arguments: String..., chain: String? = nil) throws -> Command.Result {
                try Command.run(
                    [
                        "curl", "--silent", "--show-error", "--include", "--max-time", "10", "--cacert",
                        chain ?? files.chain,
                    ]
                        + arguments)
            }
            let reply = try curl("--http2", "\(address)/healthz").output
            #expect(reply.hasPrefix("HTTP/1.1 200"), "\(reply)")
            #expect(reply.contains("Strict-Transport-Security: max-age="))
            let ping = TestPing("encrypted", at: now(), sequence: 1)
            let posted = try curl(
                "--header", "Authorization: Bearer \(key)", "--data", TestPing.array([ping]), "--header",
                "Content-Type: application/json", "\(address)/v1/pings"
            ).output
            #expect(posted.contains("\"accepted\":1"), "\(posted)")
            #expect(try !curl("--http2-prior-knowledge", "\(address)/healthz").output.contains("HTTP/2"))
            #expect(try curl("--tls-max", "1.1", "\(address)/healthz").status?.isSuccess == false)
            let refused = try curl(
                "--header", "Origin: https://evil.com", "--header", "Host: localhost:\(gateway.port)",
                "--header", "Upgrade: websocket", "--header", "Connection: Upgrade", "--header",
                "Sec-WebSocket-Version: 13",
                "--header", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "\(address)/v1/track"
            ).output
            #expect(refused.hasPrefix("HTTP/1.1 403"), "\(refused)")

            try watch(gateway, key: key, chain: files.chain)

            // Nobody speaks: not a byte of a handshake.
            let idle = try ByteStream(port: gateway.port)
            let plain = try ByteStream(port: gateway.port)
            plain.send("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try plain.ends())

            let next = try makeCertificate(gateway.directory, "next")
            #expect(try curl("\(address)/healthz", chain: next.chain).status?.isSuccess == false)
            let old = try Command.runChecked(["cat", files.chain])
            try Command.runChecked(["cp", next.key, files.key])
            try Command.runChecked(["cp", next.chain, files.chain])
            try eventually("the new certificate is used", within: 20) {
                try curl("\(address)/healthz", chain: next.chain).output.hasPrefix("HTTP/1.1 200")
            }
            // One that is broken is told, and the one before stays.
            try Command.runChecked(["cp", next.key, files.chain])
            try eventually("a broken certificate is told", within: 20) {
                gateway.log.contains("holds no certificate")
            }
            #expect(try curl("\(address)/healthz", chain: next.chain).output.hasPrefix("HTTP/1.1 200"))
            #expect(!old.isEmpty)
            #expect(try idle.ends(within: 12))
        }

        /// A viewer through `openssl s_client`: the handshake, the greeting, and a push.
        private func watch(_ gateway: RunningGateway, key: String, chain: String) throws {
            let handshake =
                (Handshake.lines + ["X-Api-Key: \(key)", "Sec-WebSocket-Protocol: drover.v1", ""])
                .map { $0 + "\r\n" }.joined()
            let subscribe = Array("{\"id\":1,\"subscribe\":[\"driver:encrypted\"]}".utf8)
            let frame = WebSocketProbe.header(opcode: 1, length: subscribe.count) + WebSocketProbe.masked(subscribe)
            let file = gateway.directory.path + "/frames"
            try (Array(handshake.utf8) + frame).withUnsafeBytes { bytes in
                let stream = try #require(fopen(file, "w"))
                defer { fclose(stream) }
                #expect(fwrite(bytes.baseAddress, 1, bytes.count, stream) == bytes.count)
            }
            let client = try ChildProcess([
                "sh", "-c",
                "exec openssl s_client -quiet -verify_return_error -CAfile '\(chain)' -alpn h2,http/1.1 "
                    + "-connect localhost:\(gateway.port) <'\(file)'",
            ])
            defer { client.terminate(signal: SIGKILL) }
            #expect(client.waitForOutput("101 Switching Protocols", within: .seconds(10)), "\(client.output())")
            #expect(client.waitForOutput("\"subscribed\"", within: .seconds(10)), "\(client.output())")
        }
    }
}
