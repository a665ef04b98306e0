import Testing

@testable import Tracking

/// Documents around pings, and what is no JSON.
@Suite struct PingDecoderDocumentTests {
    @Test func `an array keeps its order and each element its own defect`() throws {
        let pings = try decode(
            #"[{"seq":1,\#(requiredMembers)},{"seq":2,"lat":"x"},7,null,[{}],{},{"seq":3,\#(requiredMembers)}]"#
        )
        .get()
        #expect(
            pings.map(\.defect) == [
                nil, .invalid(.latitude), .notAnObject, .notAnObject, .notAnObject, .missing(.recordedAt), nil,
            ])
        #expect(pings.map(\.ping.sequence) == [1, 2, nil, nil, nil, nil, 3])
    }

    @Test func `an empty array or envelope is no ping`() throws {
        #expect(try decode("[]").get().isEmpty)
        #expect(try decode(#" { "pings" : [ ] } "#).get().isEmpty)
    }

    @Test func `an envelope is taken where it is allowed, with other members around`() throws {
        let text = #"{"device":{"a":[1]},"pings":[{\#(requiredMembers)},{\#(requiredMembers)}],"lat":"x"}"#
        #expect(try decode(text).get().map(\.defect) == [nil, nil])
        // Elsewhere it is a ping whose `lat` is wrong and which has an unknown member.
        #expect(try decode(text, envelope: false).get().map(\.defect) == [.invalid(.latitude)])
    }

    @Test(arguments: [
        #"{"pings":[],"pings":[]}"#, #"{"pings":[],"pings":5}"#, #"{"pings":5,"pings":[]}"#,
        #"{"pings":[],"p\u0069ngs":[]}"#,
    ])
    func `an envelope with its pings twice is refused whole`(text: String) {
        #expect(throws: PingDecodingError.notPings) { try decode(text).get() }
    }

    @Test func `an envelope with its pings twice must still be JSON`() {
        #expect(throws: PingDecodingError.notJSON(offset: 21)) { try decode(#"{"pings":[],"pings":[x]}"#).get() }
    }

    @Test func `one ping more than the limit is refused`() throws {
        for count in [1_000, 1_001] {
            let list = "[" + Array(repeating: "{\(requiredMembers)}", count: count).joined(separator: ",") + "]"
            for text in [list, "{\"pings\":\(list)}"] {
                if count == 1_000 {
                    #expect(try decode(text).get().count == 1_000)
                } else {
                    #expect(throws: PingDecodingError.tooMany(limit: 1_000)) { try decode(text).get() }
                }
            }
        }
    }

    @Test(arguments: ["null", "true", "\"x\"", "7", " -1.5e3 "])
    func `JSON that is neither an object nor an array is no ping`(text: String) {
        #expect(throws: PingDecodingError.notPings) { try decode(text).get() }
    }

    @Test func `nesting is read to 32 levels inside a member, in constant stack`() throws {
        func nested(_ depth: Int, _ pair: (String, String)) -> String {
            String(repeating: pair.0, count: depth) + "1" + String(repeating: pair.1, count: depth)
        }
        for pair in [("[", "]"), (#"{"a":"#, "}")] {
            #expect(try decodePing("\"x\":\(nested(32, pair))").defect == nil)
            #expect(throws: PingDecodingError.self) { try decodePing("\"x\":\(nested(33, pair))") }
            let deep = decode("{\"x\":\(nested(100_000, pair))}")
            guard case .failure(.tooDeep) = deep else {
                Issue.record("\(deep)")
                continue
            }
        }
    }

    @Test(arguments: [
        ("", 0), (" ", 1), ("{", 1), ("[", 1), ("{\"lat\"", 6), ("{\"lat\":", 7), ("{\"lat\":1", 8), ("{lat:1}", 1),
        ("[1,]", 3), ("{\"a\":1,}", 7), ("[1 2]", 3), ("{\"a\" 1}", 5), ("{\"a\":1 \"b\":2}", 7), ("[01]", 2),
        ("[1.]", 3),
        ("[.5]", 1), ("[+1]", 1), ("[-]", 2), ("[1e]", 3), ("[1e+]", 4), ("[0x1]", 2), ("[NaN]", 1), ("[Infinity]", 1),
        ("[-Infinity]", 2), ("[nul]", 1), ("[True]", 1), ("['a']", 1), ("[\"a]", 4), ("[\"\\x\"]", 2),
        ("[\"\\u12\"]", 2),
        ("[\"\\u12g4\"]", 2), ("[\"\\ud800\"]", 2), ("[\"\\ud800\\u0041\"]", 2), ("[\"\\udc00\"]", 2), ("[\"\\", 2),
        ("[\"\\ud83d\\ud83d\"]", 2), ("[\"a\u{1}\"]", 3), ("[\"a\nb\"]", 3), ("[\u{0}]", 1), ("[]\u{0}", 2),
        ("[] []", 3),
        ("{}{}", 2), ("[] x", 3), ("// x\n[]", 0), ("\u{FEFF}[]", 0), ("\u{A0}[]", 0), ("\u{B}[]", 0), ("]", 0),
        ("}", 0),
        ("[}", 1), ("{]", 1), ("[[}]", 2), ("{\"a\":[1}", 7), ("{\"pings\":[}", 10), ("nullnull", 4), ("\"a\" 1", 4),
    ])
    func `what is not JSON is refused at the byte that shows it`(text: String, offset: Int) {
        #expect(throws: PingDecodingError.notJSON(offset: offset)) { try decode(text).get() }
        // The same inside a member that is stepped over, and behind a good ping.
        if text.first == "[" || text.first == "{" {
            #expect(throws: PingDecodingError.notJSON(offset: offset + 5)) { try decode("{\"x\":\(text)").get() }
        }
    }

    @Test(
        arguments: [
            [0xFF], [0x80], [0xC0, 0x80], [0xC1, 0xBF], [0xC3], [0xE0, 0x9F, 0xBF], [0xED, 0xA0, 0x80], [0xE2, 0x82],
            [0xF0, 0x8F, 0xBF, 0xBF], [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xF0, 0x9F, 0x98],
        ] as [[UInt8]])
    func `text that is not UTF-8 is refused wherever it stands`(bytes: [UInt8]) {
        for (before, after) in [("[\"a", "\"]"), ("{\"", "\":1}"), ("[{\"session_id\":\"", "\"}]"), ("[\"", "")] {
            let document = Array(before.utf8) + bytes + Array(after.utf8)
            #expect(throws: PingDecodingError.notJSON(offset: before.utf8.count)) { try decode(document).get() }
        }
    }

    @Test func `the ends of the UTF-8 ranges are accepted`() throws {
        let text = "\u{80}\u{7FF}\u{800}\u{D7FF}\u{E000}\u{FFFF}\u{10000}\u{10FFFF}"
        #expect(try decodePing("\"session_id\":\"\(text)\"").ping.sessionID.string == text)
        #expect(
            try decodePing(#""session_id":"\u0080\u07ff\u0800\ud7ff\ue000\uffff\ud800\udc00\udbff\udfff""#).ping
                .sessionID
                .string == text)
    }

    @Test func `a prefix of a document is never accepted`() throws {
        let document = Array(
            #"[{"recorded_at":"2026-11-21T07:33:48Z","lat":-1.5e+1,"x":{"a":[true,null,"\ud83d\ude00ä"]}}]"#.utf8)
        _ = try decode(document).get()
        for length in 0..<document.count {
            let prefix = decode(Array(document[..<length]))
            guard case .failure(.notJSON(let offset)) = prefix else {
                Issue.record("\(length) bytes: \(prefix)")
                continue
            }
            // At the end, or where the token begins that is cut off.
            #expect((length - 11...length).contains(offset))
        }
    }

    @Test func `after a refusal the batch is empty, and the next document starts afresh`() throws {
        var batch = PingBatch()
        func take(_ text: String) throws(PingDecodingError) {
            let bytes = Array(text.utf8)
            try PingDecoder.decode(bytes.span, into: &batch, maximumPings: 9, allowsEnvelope: true)
        }
        try take("[{\(requiredMembers)},{\(requiredMembers)}]")
        #expect(batch.pings.count == 2)
        #expect(throws: PingDecodingError.self) { try take("[{\(requiredMembers)},{\(requiredMembers)}") }
        #expect(batch.pings.isEmpty)
        try take("{\(requiredMembers)}")
        #expect(batch.pings.count == 1)
    }

    @Test func `a refusal and a defect say what is expected`() {
        #expect(PingDecodingError.notJSON(offset: 7).detail == "not valid JSON at byte 7")
        #expect(PingDecodingError.tooMany(limit: 1_000).detail == "more than 1000 pings in one request")
        #expect(PingDefect.missing(.recordedAt).description == "recorded_at is required")
        #expect(PingDefect.twice(.latitude).description == "lat stands twice")
        for field in PingField.allCases {
            #expect(PingDefect.invalid(field).description.hasPrefix("\(field.name): expected "))
        }
    }
}
