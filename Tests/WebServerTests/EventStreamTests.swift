// How frames become the blocks of an event stream.

import Testing

@testable import WebServer

@Suite("Event stream")
struct EventStreamTests {
    private func blocks(_ payloads: String...) -> String {
        var frames: [UInt8] = []
        for payload in payloads {
            frames += WebConnection.header(opcode: 0x81, length: payload.utf8.count) + Array(payload.utf8)
        }
        return String(decoding: EventStream.blocks(of: frames.span), as: UTF8.self)
    }

    @Test func `a push is named by its member and carries its cursor`() {
        let push = "{\"now\":1,\"positions\":[{\"driver_id\":\"status\",\"error\":{}}],\"cursor\":\"k3f:816\"}"
        #expect(blocks(push) == "event: positions\nid: k3f:816\ndata: \(push)\n\n")
    }

    @Test(arguments: [
        ("{\"hello\":{\"now\":1,\"error\":2}}", "message"), ("{\"now\":1,\"status\":[]}", "status"),
        ("{\"left\":[]}", "left"), ("{\"events\":[{\"type\":\"left\"}]}", "events"),
        ("{\"expiring\":{\"in_s\":60}}", "expiring"),
        ("{\"id\":2,\"subscribed\":{\"order:positions\":{}}}", "subscribed"), ("{\"id\":2,\"error\":{}}", "error"),
        ("{\"note\":\"error\",\"\\\"left\":1}", "message"), ("", "message"), ("{\"", "message"),
    ])
    func `the first known member of the object itself is the name`(payload: String, name: String) {
        #expect(blocks(payload) == "event: \(name)\ndata: \(payload)\n\n")
    }

    @Test func `several frames of every length become a block each`() {
        let long = "{\"left\":\"" + String(repeating: "x", count: 300) + "\"}"
        let huge = "{\"error\":\"" + String(repeating: "x", count: 70_000) + "\"}"
        #expect(
            blocks("{}", long, huge)
                == "event: message\ndata: {}\n\nevent: left\ndata: \(long)\n\nevent: error\ndata: \(huge)\n\n")
    }

    @Test func `a ping has no event, and an incomplete frame is left out`() {
        let frames: [UInt8] = [0x89, 1, 63, 0x81, 2, 123, 125, 0x81, 5, 123]
        #expect(
            String(decoding: EventStream.blocks(of: frames.span), as: UTF8.self) == "event: message\ndata: {}\n\n")
    }

    @Test func `a line's end in the payload does not end the event`() {
        #expect(blocks("{\n\"left\":1}") == "event: left\ndata: { \"left\":1}\n\n")
    }

    @Test func `the last event is the close code with its reason`() {
        let text = String(decoding: EventStream.close(code: 4401, reason: "a \"b\"\n"), as: UTF8.self)
        #expect(text == "event: close\ndata: {\"code\":4401,\"reason\":\"a \\\"b\\\" \"}\n\n")
    }
}
