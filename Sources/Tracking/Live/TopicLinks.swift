/// Pairs of a topic and somebody on its other side, a driver who is in it or a viewer who watches it, each pair on a list of
/// either side. The sides keep the numbers of their first links.
struct TopicLinks: Sendable {
    struct Link: Sendable {
        var topic: Int32
        /// The driver or viewer.
        var other: Int32
        /// The end of the replay log when the pair came about; 0 where it is as old as the topic is known.
        var since: UInt64
        var nextOfTopic: Int32 = -1
        fileprivate var previousOfTopic: Int32 = -1
        var nextOfOther: Int32 = -1
        fileprivate var previousOfOther: Int32 = -1
    }

    private var links: [Link] = []
    private var free: Int32 = -1
    /// How many pairs there are.
    private(set) var count = 0

    /// How many there have been at once, which is the room they take.
    var capacity: Int { links.count }

    subscript(link: Int) -> Link { links[link] }

    /// Puts a new pair at the head of both lists.
    mutating func add(
        _ topic: TopicIndex, _ other: Int, since: UInt64 = 0, firstOfTopic: inout Int32, firstOfOther: inout Int32
    ) {
        var link = Link(topic: Int32(topic), other: Int32(other), since: since)
        link.nextOfTopic = firstOfTopic
        link.nextOfOther = firstOfOther
        let number: Int
        if free >= 0 {
            number = Int(free)
            free = links[number].nextOfTopic
            links[number] = link
        } else {
            links.append(link)
            number = links.count - 1
        }
        if firstOfTopic >= 0 { links[Int(firstOfTopic)].previousOfTopic = Int32(number) }
        if firstOfOther >= 0 { links[Int(firstOfOther)].previousOfOther = Int32(number) }
        firstOfTopic = Int32(number)
        firstOfOther = Int32(number)
        count += 1
    }

    /// Takes a pair out of both lists.
    mutating func remove(_ link: Int, firstOfTopic: inout Int32, firstOfOther: inout Int32) {
        let removed = links[link]
        if removed.previousOfTopic >= 0 {
            links[Int(removed.previousOfTopic)].nextOfTopic = removed.nextOfTopic
        } else {
            firstOfTopic = removed.nextOfTopic
        }
        if removed.nextOfTopic >= 0 { links[Int(removed.nextOfTopic)].previousOfTopic = removed.previousOfTopic }
        if removed.previousOfOther >= 0 {
            links[Int(removed.previousOfOther)].nextOfOther = removed.nextOfOther
        } else {
            firstOfOther = removed.nextOfOther
        }
        if removed.nextOfOther >= 0 { links[Int(removed.nextOfOther)].previousOfOther = removed.previousOfOther }
        links[link] = Link(topic: -1, other: -1, since: 0)
        links[link].nextOfTopic = free
        free = Int32(link)
        count -= 1
    }

    /// The link of the list from `first` on that leads to the topic.
    func find(topic: TopicIndex, from first: Int32) -> Int? {
        var link = first
        while link >= 0, links[Int(link)].topic != Int32(topic) { link = links[Int(link)].nextOfOther }
        return link < 0 ? nil : Int(link)
    }

    /// The link of the topic's list from `first` on that leads to a driver or viewer.
    func find(other: Int, from first: Int32) -> Int? {
        var link = first
        while link >= 0, links[Int(link)].other != Int32(other) { link = links[Int(link)].nextOfTopic }
        return link < 0 ? nil : Int(link)
    }
}
