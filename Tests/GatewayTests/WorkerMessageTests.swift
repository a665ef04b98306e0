// What supervisors and workers say to each other, and how a worker learns of its place.
import Testing

@testable import Gateway

@Suite struct WorkerMessageTests {
    private static let all: [WorkerMessage] = [
        .ready, .stopping, .accept(0), .leave(255), .question(1, .metrics), .question(.max, .readiness),
        .answer(7, []), .answer(0, Array("drover_ready 1\n".utf8)), .answer(3, Array(repeating: 120, count: 100_000)),
    ]

    @Test func `messages come out as they went in, however they are cut`() throws {
        let bytes = Self.all.flatMap(\.bytes)
        for piece in [1, 7, 4_096, bytes.count] {
            var waiting: ArraySlice<UInt8> = []
            var taken: [WorkerMessage] = []
            for start in stride(from: 0, to: bytes.count, by: piece) {
                waiting += bytes[start..<min(start + piece, bytes.count)]
                while let message = try WorkerMessage.take(from: &waiting) { taken.append(message) }
                waiting = Array(waiting)[...]
            }
            #expect(taken == Self.all)
            #expect(waiting.isEmpty)
        }
    }

    @Test(arguments: [
        [0, 0, 0, 0, 0, 0, 0, 0, 0], [255, 255, 255, 255, 0, 0, 0, 0, 0], [5, 0, 0, 0, 9, 0, 0, 0, 0],
        [6, 0, 0, 0, 4, 0, 0, 0, 0, 9],
    ])
    func `what is no message is refused`(bytes: [UInt8]) {
        var bytes = bytes[...]
        #expect(throws: WorkerMessageError.self) { try WorkerMessage.take(from: &bytes) }
    }

    @Test(arguments: [
        "", "0 0 2 3 4 5", "1 2 2 3 4 5", "1 0 2 3 4", "1 0 2 3 4 5 6", "1 0 x 3 4 5", "1 0 2 1000 1001 1002",
    ])
    func `a seat of another version, or of nobody, is refused`(text: String) {
        #expect(throws: ConfigurationError.self) { try WorkerSeat(environment: [WorkerSeat.variable: text]) }
    }

    @Test func `without a seat it is no worker`() throws {
        #expect(try WorkerSeat(environment: ["DROVER_WORKERS": "3"]) == nil)
        #expect(WorkerSeat(number: 1, count: 2, channel: 9, sockets: [7, 8]).text == "1 1 2 9 7 8")
    }

    @Test func `the first worker has the journal that a single process has`() {
        var configuration = Configuration()
        configuration.journalDirectory = "/j"
        let journals = (0..<3).map {
            WorkerSeat(number: $0, count: 3, channel: 9, sockets: [6, 7, 8]).applied(to: configuration).journalDirectory
        }
        #expect(journals == ["/j", "/j/worker-1", "/j/worker-2"])
    }

    @Test(arguments: [("1", 1), ("256", 256)])
    func `workers are a number`(text: String, number: Int) throws {
        #expect(try WorkerCount(text).number == number)
    }

    @Test(arguments: ["0", "257", "-1", "two", "", "1.5"])
    func `anything else is refused`(text: String) {
        #expect(throws: ConfigurationError.self) { try WorkerCount(text) }
    }

    @Test func `auto is what the machine and the control group give`() throws {
        #expect(try (1...256).contains(WorkerCount("auto").number))
        #expect(WorkerCount.quota("max 100000\n") == nil)
        #expect(WorkerCount.quota("200000 100000\n") == 2)
        #expect(WorkerCount.quota("250000 100000") == 3)
        #expect(WorkerCount.quota("50000 100000") == 1)
        #expect(WorkerCount.quota("") == nil)
        #expect(
            WorkerCount.groups(from: "/system.slice/drover.service") == [
                "/system.slice/drover.service", "/system.slice", "",
            ])
        #expect(WorkerCount.bits(ofMask: "\t00000000,0000000f") == 4)
    }
}
