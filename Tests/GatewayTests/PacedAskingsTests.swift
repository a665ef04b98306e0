import Testing

@testable import Gateway

/// The queue of askings: order, width and room.
@Suite("Paced askings") struct PacedAskingsTests {
    @Test func `only so many are under way, and log-ins go before what is only looked at again`() {
        let askings = PacedAskings(width: 2, limit: 10)
        var begun: [String] = []
        var ends: [() -> Void] = []
        func add(_ name: String, canWait: Bool) {
            let isAdded = askings.add(canWait: canWait) { isOver in
                begun.append(name)
                ends.append(isOver)
            }
            #expect(isAdded)
        }
        for name in ["a", "b", "c", "d"] { add(name, canWait: true) }
        add("log-in", canWait: false)
        #expect(begun == ["a", "b"])
        #expect(askings.waiting == 3)
        ends[1]()
        // A second time it means nothing.
        ends[1]()
        #expect(begun == ["a", "b", "log-in"])
        ends[0]()
        ends[2]()
        #expect(begun == ["a", "b", "log-in", "c", "d"])
        #expect(askings.waiting == 0)
    }

    @Test func `beyond the room an asking is refused`() {
        let askings = PacedAskings(width: 1, limit: 2)
        let added = (0..<5).map { _ in askings.add { _ in } }
        #expect(added == [true, true, true, false, false])
        #expect(askings.add(canWait: true) { _ in })
    }

    @Test func `twenty thousand that end at once do not nest`() {
        let askings = PacedAskings(width: 1, limit: 20_000)
        var first: (() -> Void)?
        var count = 0
        _ = askings.add { first = $0 }
        for _ in 0..<20_000 {
            _ = askings.add { isOver in
                count += 1
                isOver()
            }
        }
        first?()
        #expect(count == 20_000)
        #expect(askings.waiting == 0)
    }
}
