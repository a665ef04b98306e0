import Testing
import Tracking

@testable import Gateway
@testable import WebServer

struct WordsTests {
    private let words = {
        var words = Words()
        words.driver = Words.Word(one: "rider", many: "riders")
        words.order = Words.Word(one: "delivery", many: "deliveries")
        words.group = Words.Word(one: "warehouse", many: "warehouses")
        return words
    }()

    private func request(_ path: String, _ query: [(name: String, value: String)] = []) -> WebRequest {
        WebRequest(method: .get, path: path, query: query, headers: [:], peer: "127.0.0.1")
    }

    @Test(arguments: [
        ("/v1/riders/r-1/position", "/v1/drivers/r-1/position"),
        ("/v1/riders", "/v1/drivers"),
        ("/v1/deliveries/9f2/riders/r-1", "/v1/orders/9f2/drivers/r-1"),
        ("/v1/warehouses/east/drivers", "/v1/groups/east/drivers"),
        ("/v1/drivers/riders/position", "/v1/drivers/riders/position"),
        ("/v1/riders/deliveries/position", "/v1/drivers/deliveries/position"),
        ("/v1/orders/riders/drivers/riders", "/v1/orders/riders/drivers/riders"),
        ("/v1/pings", "/v1/pings"), ("/riders", "/riders"), ("/v1/rider/7", "/v1/rider/7"), ("/v1/", "/v1/"),
        ("/v1//riders", "/v1//riders"),
    ])
    func `collections in a path go by the platform's words, ids stay`(path: String, expected: String) {
        #expect(words.canonical(request(path)).path == expected)
        #expect(Words().canonical(request(path)).path == path)
    }

    @Test func `questions go by the platform's words, and their values stay`() {
        let asked = words.canonical(
            request("/v1/riders", [("delivery", "delivery"), ("warehouse", "x"), ("near", "1,2")]))
        #expect(asked.query.map(\.name) == ["order", "group", "near"])
        #expect(asked.query("order") == "delivery")
        #expect(words.canonical(request("/map", [("delivery", "1")])).query("delivery") == "1")
    }

    @Test func `subjects go by either name`() throws {
        for (name, expected) in [
            ("rider:7", "driver:7"), ("delivery:9f2", "order:9f2"), ("warehouse:east", "group:east"),
            ("driver:7", "driver:7"),
            ("order:rider:7", "order:rider:7"), ("area:43,-80,44,-79", "area:43,-80,44,-79"),
        ] {
            #expect(words.subject(name)?.name == Subject(expected)?.name, "\(name)")
            #expect(words.subject(name) != nil)
        }
        for name in ["riders:7", "rider", "rider:", "rider: 7", "Rider:7", "delivery:\u{0}"] {
            #expect(words.subject(name) == nil, "\(name)")
        }
    }

    @Test
    func `where a platform tracks what it delivers, a delivery is the driver in a subject and the order in a question`()
    {
        var words = Words()
        words.driver = Words.Word(one: "delivery", many: "deliveries")
        words.order = Words.Word(one: "delivery", many: "deliveries")
        #expect(words.subject("delivery:1")?.name == "driver:1")
        #expect(words.canonical(request("/v1/drivers", [("delivery", "1")])).query("order") == "1")
        #expect(words.canonical(request("/v1/deliveries/1/position")).path == "/v1/drivers/1/position")
    }

    @Test func `a word of Drover's keeps its meaning`() {
        var words = Words()
        words.group = Words.Word(one: "order", many: "orders")
        #expect(words.subject("order:1")?.name == "order:1")
        #expect(words.canonical(request("/v1/orders/1/drivers")).path == "/v1/orders/1/drivers")
    }
}
