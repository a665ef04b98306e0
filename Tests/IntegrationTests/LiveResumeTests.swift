// Connections that are cut at any moment, and what a viewer is told that returns with its last cursor.

import DroverClient
import Testing

extension Integration {
    @Suite("Resuming")
    struct LiveResume {
        /// How a connection ends.
        enum Cut: CaseIterable {
            /// By a reset, with bytes on their way.
            case reset
            /// The client sends no more, and reads no more.
            case halfClose
            /// It is closed without a WebSocket's goodbye.
            case close
        }

        @Test(arguments: [1, 2, 3])
        func `what was seen before a cut and what is replayed after it is all that was accepted`(seed: UInt64) throws {
            let shared = try SharedGateway.get()
            var random = SplitMix(seed: seed)
            let names = (0..<6).map { "cut-\(seed)-\($0)" }
            let vans = MovingDrivers(names, of: shared.gateway, key: shared.key)
            try vans.report()
            let subjects = names.map { "driver:\($0)" }
            var held = Dictionary(uniqueKeysWithValues: names.map { ($0, [Int64]()) })
            var cursor: String?
            var recovered = 0
            for round in 0..<12 {
                let viewer = try ScreenedViewer(
                    shared.gateway, shared.key, receiveBytes: random.next() % 3 == 0 ? 2_048 : nil)
                let options = random.next() % 2 == 0 ? ",\"max_rate_hz\":50" : ",\"max_rate_hz\":7"
                let answer = try viewer.subscribe(subjects, cursor: cursor, options: options)
                for name in names {
                    let part = try #require(answer.lazy.map { $0["subscribed"]["driver:\(name)"] }.first { !$0.isNull })
                    let told = part["positions"].array.compactMap { $0["recorded_at"].integer }
                    #expect(zip(told, told.dropFirst()).allSatisfy(<), "in order")
                    let last = held[name]?.last ?? 0
                    if part["recovered"].flag == true {
                        recovered += 1
                        let missed = (vans.accepted[name] ?? []).filter { $0 > last }
                        #expect(
                            missed.allSatisfy(told.contains), "seed \(seed), round \(round), \(name): \(missed) \(told)"
                        )
                    }
                    #expect(told.last == vans.accepted[name]?.last)
                }
                // Some pushes are read, some are on their way when the line is cut.
                for _ in 0..<random.next() % 12 {
                    try vans.report(names.filter { _ in random.next() % 2 == 0 })
                    if random.next() % 2 == 0, viewer.socket.stream.hasInput {
                        try viewer.screen.show(try viewer.socket.json())
                    }
                }
                for (name, fixes) in viewer.screen.positions { held[name]? += fixes }
                cursor = viewer.screen.cursor
                switch Cut.allCases[Int(random.next() % 3)] {
                case .reset: viewer.socket.stream.resetOnClose()
                case .halfClose: viewer.socket.stream.finishSending()
                case .close: break
                }
                withExtendedLifetime(viewer) {}
                for _ in 0..<random.next() % 8 { try vans.report(names.filter { _ in random.next() % 2 == 0 }) }
            }
            // What can be recovered is: the process, the time and the number of positions allow it each time.
            #expect(recovered == 11 * names.count)
        }

        @Test func `more than 64 positions are a snapshot, 64 are replayed`() throws {
            let shared = try SharedGateway.get()
            let vans = MovingDrivers(["many-1", "many-2"], of: shared.gateway, key: shared.key)
            try vans.report()
            func subscribe(_ cursor: String?) throws -> (ScreenedViewer, JSON) {
                let viewer = try ScreenedViewer(shared.gateway, shared.key)
                return (viewer, try viewer.subscribe(["driver:many-1", "driver:many-2"], cursor: cursor)[0])
            }
            let cursor = try subscribe(nil).1["cursor"].string
            for _ in 0..<64 { try vans.report() }
            try vans.report(["many-2"])
            let answer = try subscribe(cursor).1["subscribed"]
            #expect(answer["driver:many-1"]["recovered"].flag == true)
            #expect(
                answer["driver:many-1"]["positions"].array.map(\.["recorded_at"].integer)
                    == vans.accepted["many-1"]?.suffix(64))
            #expect(answer["driver:many-2"]["recovered"].flag == false)
            #expect(
                answer["driver:many-2"]["positions"].array.map(\.["recorded_at"].integer)
                    == vans.accepted["many-2"]?.suffix(1))
        }

        @Test func `a cursor of before a restart, or of nobody, is answered with a snapshot`() throws {
            let gateway = try RunningGateway()
            let key = try gateway.masterKey()
            let vans = MovingDrivers(["van-1"], of: gateway, key: key)
            try vans.report()
            try gateway.assign("orders/1", ["van-1"], key: key)
            let subjects = ["driver:van-1", "order:1", "area:40,-80,50,-70"]
            let cursor = try ScreenedViewer(gateway, key).subscribe(subjects)[0]["cursor"].string
            try gateway.restart()
            try gateway.awaitStores()
            for old in [cursor, "1:0", "x", "", "1:18446744073709551615", "4294967295:1"] {
                let answer = try ScreenedViewer(gateway, key).subscribe(subjects, cursor: old)[0]["subscribed"]
                for subject in subjects {
                    #expect(answer[subject]["recovered"].flag == false, "\(old ?? "")")
                    #expect(answer[subject]["positions"].array.count == 1, "\(subject) \(answer)")
                }
            }
        }

        /// The cursor of a viewer that was away during a hand-over says nothing of who left.
        @Test func `a hand-over while the viewer was away is a snapshot of the new driver alone`() throws {
            let shared = try SharedGateway.get()
            let key = try shared.gateway.masterKey()
            let vans = MovingDrivers(["swap-a", "swap-b"], of: shared.gateway, key: key)
            try vans.report()
            try shared.gateway.assign("orders/swap", ["swap-a"], key: key)
            var viewer: ScreenedViewer? = try ScreenedViewer(shared.gateway, key)
            let first = try #require(try viewer?.subscribe(["order:swap"])[0]["cursor"].string)
            viewer?.socket.stream.resetOnClose()
            viewer = nil
            try vans.report()
            try shared.gateway.assign("orders/swap", ["swap-b"], key: key)
            let returned = try ScreenedViewer(shared.gateway, key)
            let answer = try returned.subscribe(["order:swap"], cursor: first)[0]
            #expect(answer["subscribed"]["order:swap"]["recovered"].flag == false)
            #expect(
                answer["subscribed"]["order:swap"]["positions"].array.map(\.["driver_id"].string) == ["swap-b"])
            // From there on it can resume: the replay reaches back to the hand-over, not further.
            let cursor = answer["cursor"].string
            let last = try vans.report()
            let again = try ScreenedViewer(shared.gateway, key).subscribe(["order:swap"], cursor: cursor)[0][
                "subscribed"]
            #expect(again["order:swap"]["recovered"].flag == true)
            #expect(again["order:swap"]["positions"].array.map(\.["recorded_at"].integer) == [last])
        }

        /// A dispatcher that missed more than fits is shown the present instead of being sent away each time it returns.
        @Test func `a gap of a large fleet is a snapshot in pages, whose cursor comes last`() throws {
            let gateway = try RunningGateway()
            let key = try gateway.masterKey()
            let names = (0..<1_200).map { "f\($0)" }
            let vans = MovingDrivers(names, of: gateway, key: key)
            try vans.report()
            try gateway.assign("groups/all", names, key: key)
            let first = try ScreenedViewer(gateway, key)
            let frames = try first.subscribe(["group:all"])
            #expect(frames.count > 1 && frames.dropLast().allSatisfy { $0["cursor"].isNull && $0["more"].flag == true })
            let cursor = try #require(frames.last?["cursor"].string)
            for _ in 0..<12 { try vans.report() }
            let slow = try ScreenedViewer(gateway, key, receiveBytes: 4_096)
            let answer = try slow.subscribe(["group:all"], cursor: cursor)
            #expect(answer.allSatisfy { $0["subscribed"]["group:all"]["recovered"].flag == false })
            let last = try vans.report()
            try slow.read("all of them") { screen in names.allSatisfy { screen.newest($0) == last } }
        }
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): a seed's cuts can be made again.
struct SplitMix {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
