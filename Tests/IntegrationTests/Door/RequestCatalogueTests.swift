// The catalogue of bad input, part 2: requests with bodies. Row 42 is in SlowInputTests.

import DroverClient
import Testing

extension Integration {
    @Suite("Bad input: requests")
    struct RequestCatalogue {
        static let post = "POST /v1/pings HTTP/1.1"
        static let json = "Content-Type: application/json"

        static let rows: [RequestRow] = [
            RequestRow(35, "no length", [post, "Host: a"], 411, "length_required", body: "[]"),
            RequestRow(
                36, "chunks", [post, "Host: a", "Transfer-Encoding: chunked"], 411, "length_required",
                header: ("connection", "close"), body: "1\r\n{\r\n0\r\n\r\n"),
            RequestRow(
                37, "chunks and a length", [post, "Host: a", "Transfer-Encoding: chunked", "Content-Length: 5"], 400,
                "bad_request", header: ("connection", "close"), body: "0\r\n\r\n"),
            RequestRow(
                38, "two lengths", [post, "Host: a", "Content-Length: 2", "Content-Length: 3"], 400, "bad_request",
                body: "[]"),
            RequestRow(
                38, "a length twice", [post, "Host: a", "Content-Length: 2", "Content-Length: 2"], 400, "bad_request"),
            RequestRow(39, "a negative length", [post, "Host: a", "Content-Length: -1"], 400, "bad_request"),
            RequestRow(39, "a signed length", [post, "Host: a", "Content-Length: +5"], 400, "bad_request"),
            RequestRow(39, "a hexadecimal length", [post, "Host: a", "Content-Length: 0x5"], 400, "bad_request"),
            RequestRow(39, "a list of lengths", [post, "Host: a", "Content-Length:  5,5"], 400, "bad_request"),
            RequestRow(39, "an empty length", [post, "Host: a", "Content-Length: "], 400, "bad_request"),
            RequestRow(
                40, "a length beyond counting", [post, "Host: a", "Content-Length: 99999999999999999999"], 413,
                "too_large"),
            RequestRow(41, "a length over the limit", [post, "Host: a", "Content-Length: 1048577"], 413, "too_large"),
            RequestRow(
                50, "GET for pings", ["GET /v1/pings HTTP/1.1", "Host: a"], 405, "method_not_allowed",
                header: ("allow", "POST")),
        ]

        @Test(arguments: rows) func `the answer is the catalogue's`(row: RequestRow) throws {
            try row.expect(from: SharedGateway.get().gateway)
        }

        /// The same rules on a connection that has been used, where the library has read the request.
        @Test(arguments: rows.filter { ![39].contains($0.number) || $0.name != "an empty length" })
        func `a later request of a connection is judged alike`(row: RequestRow) throws {
            let gateway = try SharedGateway.get().gateway
            let stream = try ByteStream(port: gateway.port)
            stream.send("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try stream.takeReply()?.status == 200)
            stream.send(row.text)
            let reply = try stream.takeReply()
            #expect(reply?.status == row.status, "\(String(describing: reply))")
            #expect(try JSON(parsing: reply?.body ?? "null")["code"].string == row.code)
        }

        @Test func `row 43: a body that ends early is thrown away`() throws {
            let shared = try SharedGateway.get()
            let before = try shared.gateway.metric("drover_pings_received_total")
            let stream = try ByteStream(port: shared.gateway.port)
            let ping = TestPing("truncated", at: now()).json
            stream.send(
                "\(Self.post)\r\nHost: a\r\nX-Api-Key: \(shared.key)\r\n\(Self.json)\r\n"
                    + "Content-Length: \(ping.utf8.count + 1)\r\n\r\n\(ping)")
            stream.finishSending()
            #expect(try stream.ends())
            #expect(try shared.gateway.metric("drover_pings_received_total") == before)
        }

        @Test func `rows 44 to 49: what a body may be`() throws {
            let shared = try SharedGateway.get()
            func send(_ body: String, _ headers: (String, String)...) throws -> (status: Int, json: JSON) {
                let response = try shared.gateway.http(
                    "POST", "/v1/pings", token: shared.key, headers: headers, body: body)
                return (response.status, try JSON(parsing: response.text))
            }
            #expect(try send("x", ("Content-Encoding", "gzip")).status == 415)
            #expect(try send("[]", ("Content-Type", "text/html")).json["code"].string == "media_type")
            for body in ["", "[]"] { #expect(try send(body).status == 400, "\(body)") }
            let start = now() - 2_000_000
            let many = TestPing.drive("too-many", from: start, count: 1_001)
            #expect(try send(TestPing.array(many)).status == 413)
            #expect(try send(TestPing.array(many)).json["code"].string == "too_many_pings")
            var hundred = TestPing.drive("three-bad", from: start, count: 100)
            for index in [3, 50, 99] { hundred[index].accuracy = 500 }
            let reply = try send(TestPing.array(hundred)).json
            #expect(reply["accepted"].integer == 97)
            #expect(reply["rejected"].array.compactMap { $0["index"].integer } == [3, 50, 99])
            // As many as are remembered of a driver.
            let batch = TestPing.array(TestPing.drive("twice", from: start, count: 64))
            #expect(try send(batch).json["accepted"].integer == 64)
            #expect(try send(batch).json["duplicate"].integer == 64)
        }
    }
}
