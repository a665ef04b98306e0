// JSON as a tree, for tokens and files of keys.
import Testing

@testable import Tracking

@Suite struct JSONDocumentTests {
    private static func parse(_ text: String) -> JSONDocument? {
        JSONDocument(Array(text.utf8).span)
    }

    @Test func `every kind of value is read`() {
        #expect(
            Self.parse(#" {"a":[1,-2.5e1,"\u00e9\n",true,false,null,{}],"b":{"c":[]}} "#)
                == .object([
                    "a": .array([
                        .number(1), .number(-25), .string("é\n"), .boolean(true), .boolean(false), .null, .object([:]),
                    ]),
                    "b": .object(["c": .array([])]),
                ]))
        #expect(Self.parse("1e999") == .number(.infinity))
        #expect(Self.parse(#"{"a":["x","y"]}"#)?["a"]?.strings == ["x", "y"])
        #expect(Self.parse(#"{"a":["x",7]}"#)?["a"]?.strings == nil)
        #expect(Self.parse(#"{"a":7}"#)?["a"]?.string == nil)
        #expect(Self.parse(#"[7]"#)?["a"] == nil)
    }

    @Test(arguments: [
        "", " ", "{", "}", "[1,]", "{\"a\":1,}", "{a:1}", "{\"a\" 1}", "nul", "01", "1.", "+1", "NaN", "'a'", "[1] 2",
        "\"\u{1}\"", "\"\\x\"", "\"\\ud800\"", "\"", "{\"a\":1,\"a\":1}", "{\"a\":1,\"\\u0061\":1}",
        "[{\"x\":{\"a\":1,\"a\":2}}]", "{\"\":1,\"\":2}",
    ])
    func `what is no strict JSON is nothing`(text: String) {
        #expect(Self.parse(text) == nil)
    }

    @Test func `bytes that are no UTF-8 are nothing`() {
        for bytes: [UInt8] in [
            [0x22, 0xFF, 0x22], [0x22, 0xC0, 0x80, 0x22], [0x22, 0xED, 0xA0, 0x80, 0x22], [0xEF, 0xBB, 0xBF, 0x31],
        ] {
            #expect(JSONDocument(bytes.span) == nil)
        }
    }

    @Test func `nesting ends at a depth`() {
        func nested(_ depth: Int) -> String {
            String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        }
        #expect(Self.parse(nested(32)) != nil)
        #expect(Self.parse(nested(31).replacing("[]", with: "[[7]]")) != nil)
        #expect(Self.parse(nested(33)) == nil)
        #expect(Self.parse(nested(100_000)) == nil)
        #expect(Self.parse(String(repeating: "{\"a\":", count: 100_000)) == nil)
    }
}
