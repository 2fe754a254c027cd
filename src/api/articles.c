#include "api/articles.h"

#include "twin/patterns.h"

/* clang-format off: texts read better unbroken */
#define TIME_KINDS (1U << PATTERN_STUDY_TIME | 1U << PATTERN_PEAK)
#define LENGTH_KINDS (1U << PATTERN_DURATION | 1U << PATTERN_ATTENTION)
#define MEMORY_KINDS (1U << PATTERN_FORGETTING)

#define CEPEDA_2006 {"Cepeda, Pashler, Vul, Wixted & Rohrer", "Distributed practice in verbal recall tasks: A review and quantitative synthesis", "Psychological Bulletin 132, 354-380", "10.1037/0033-2909.132.3.354", 2006}
#define CEPEDA_2008 {"Cepeda, Vul, Rohrer, Wixted & Pashler", "Spacing effects in learning: A temporal ridgeline of optimal retention", "Psychological Science 19, 1095-1102", "10.1111/j.1467-9280.2008.02209.x", 2008}
#define KORNELL_2008 {"Kornell & Bjork", "Learning concepts and categories: Is spacing the \"enemy of induction\"?", "Psychological Science 19, 585-592", "10.1111/j.1467-9280.2008.02127.x", 2008}

const struct article articles[] = {
    {.slug = "spaced-repetition-science",
     .title = "Why reviews come further and further apart",
     .category = "MEMORY",
     .summary = "A review is worth most shortly before its card would be forgotten, and each success buys a longer rest.",
     .paragraphs = {
         "What has been learned fades at a rate of its own. Every time it is recalled with some effort it fades more slowly afterwards, so the next review may wait longer. A schedule that follows this spends its time on what is about to be lost, not on what sits firmly.",
         "How far apart the best reviews lie depends on how long the memory must last. When Cepeda and colleagues let more than a thousand people learn facts and tested them up to a year later, the best gap between two study sessions was about a fifth or more of a delay of one week, but only about a twentieth to a tenth of a delay of one year.",
         "This server keeps two numbers for each card, how long it lasts and how hard it is, by the model FSRS, and calls a card due when the chance of recalling it has fallen to nine tenths. With enough reviews the model's weights are fitted to the learner.",
         "In practice: review what is due before learning anything new, answer from memory before turning the card, and do not lift a wrong answer to a right one out of kindness. The schedule can only be as honest as the ratings."},
     .sources = {CEPEDA_2006, CEPEDA_2008, {"Ye, Su & Cao", "A stochastic shortest path algorithm for optimizing spaced repetition scheduling", "Proceedings of KDD 2022, 4381-4390", "10.1145/3534678.3539081", 2022}},
     .tags = {"spacing", "reviews", "scheduling"}, .figures = FIGURE_RECALL | FIGURE_HALF_LIFE, .patterns = MEMORY_KINDS},
    {.slug = "spacing-effect-science",
     .title = "The same hours, spread over days",
     .category = "MEMORY",
     .summary = "Study that is spread out is remembered longer than the same amount of it in one piece.",
     .paragraphs = {
         "Two hours on one evening and four half hours on four evenings are the same work. Weeks later they are not the same knowledge: the spread-out work is remembered better. The effect is one of the oldest and best confirmed in the study of memory; a review of 2006 drew together several hundred experiments on it.",
         "It is no matter of words only. When Rohrer and Taylor had students practise one kind of mathematics problem, ten problems in two sessions a week apart left about twice as much after four weeks as the same ten in one session; a week after practice there had been no difference. Nine problems in one sitting instead of three added nothing at either time.",
         "Massed study feels better while it lasts, because what has just been seen comes to mind easily. That ease is a poor guide to what will be there next month.",
         "In practice: a little on most days beats a lot on few. Plan the second meeting with a topic when you plan the first."},
     .sources = {CEPEDA_2006, CEPEDA_2008, {"Rohrer & Taylor", "The effects of overlearning and distributed practise on the retention of mathematics knowledge", "Applied Cognitive Psychology 20, 1209-1224", "10.1002/acp.1266", 2006}},
     .tags = {"spacing", "planning", "habits"}, .figures = FIGURE_DAYS | FIGURE_LENGTH, .patterns = LENGTH_KINDS},
    {.slug = "active-recall-benefits",
     .title = "Being asked beats reading again",
     .category = "LEARNING_STRATEGIES",
     .summary = "Trying to recall something strengthens it more than seeing it once more.",
     .paragraphs = {
         "A test is usually thought of as a way of measuring. It also changes what it measures: what is brought back from memory is easier to bring back the next time, more so than what is merely read again.",
         "Roediger and Karpicke had students read a short text and then either read it again or write down what they remembered. Five minutes later the readers were ahead, 81 to 75 percent. A week later it was the other way round: 42 percent against 56. Over many experiments the advantage of testing is about half a standard deviation.",
         "It holds against other active work, too. In a later experiment students who practised recall understood a science text better a week on than those who drew concept maps with the text in front of them.",
         "In practice: close the book and say what was in it; answer before you look; count an answer that came only after a hint as wrong. Failing at first is part of it, as long as the right answer follows."},
     .sources = {{"Roediger & Karpicke", "Test-enhanced learning: Taking memory tests improves long-term retention", "Psychological Science 17, 249-255", "10.1111/j.1467-9280.2006.01693.x", 2006}, {"Karpicke & Blunt", "Retrieval practice produces more learning than elaborative studying with concept mapping", "Science 331, 772-775", "10.1126/science.1199327", 2011}, {"Rowland", "The effect of testing versus restudy on retention: A meta-analytic review of the testing effect", "Psychological Bulletin 140, 1432-1463", "10.1037/a0037559", 2014}},
     .tags = {"recall", "testing", "practice"}, .figures = FIGURE_RECALL | FIGURE_ANSWERS, .patterns = 0},
    {.slug = "forgetting-curve-application",
     .title = "How forgetting goes, and what to do with it",
     .category = "MEMORY",
     .summary = "Forgetting is fast at first and slow later; a review at the right moment starts a flatter curve.",
     .paragraphs = {
         "Hermann Ebbinghaus taught himself lists of syllables in the 1880s and measured how much effort it saved to learn them again after minutes, days and a month. Most of the loss came within the first day. Murre and Dros repeated the experiment in 2015 and found much the same curve.",
         "Its shape matters. If forgetting were like decay at a constant rate, half would be lost in every equal span of time. It is not: the rate itself falls, which a power of time describes better than an exponential does. What has survived a month is likely to survive another.",
         "A curve is an average. Cards differ more than people do, and a half-life for all of a learner's cards says only where the middle lies.",
         "In practice: the first review belongs within a day or so, later ones may wait much longer. After a long pause begin with what was learned last, since that is what has lost most."},
     .sources = {{"Murre & Dros", "Replication and analysis of Ebbinghaus' forgetting curve", "PLoS ONE 10, e0120644", "10.1371/journal.pone.0120644", 2015}, {"Wixted & Ebbesen", "On the form of forgetting", "Psychological Science 2, 409-415", "10.1111/j.1467-9280.1991.tb00175.x", 1991}},
     .tags = {"forgetting", "reviews", "memory"}, .figures = FIGURE_HALF_LIFE | FIGURE_RECALL, .patterns = MEMORY_KINDS},
    {.slug = "vark-learning-styles",
     .title = "Learning styles: what is left of the idea",
     .category = "LEARNING_STRATEGIES",
     .summary = "People have preferences, but teaching to them has not been shown to help them learn.",
     .paragraphs = {
         "Many people would rather watch, or listen, or read, or do. It is a small step from there to the belief that each learns best in that way. The step has been tested: if it were right, those who prefer pictures would learn more from pictures than from words, and those who prefer words the other way round.",
         "Pashler and colleagues looked for studies that could show this and found hardly any that were sound; of those, most spoke against it. When Rogowsky and colleagues tested listening against reading in 2015, preference did not tell which served a person better.",
         "What does help is to choose the form by what is to be learned: a map for geography, a recording for pronunciation, practice for a procedure, and often two forms together.",
         "For this reason the server does not sort learners into types. It looks at whether a learner's results truly differ between kinds of material, and says so only when the evidence is strong."},
     .sources = {{"Pashler, McDaniel, Rohrer & Bjork", "Learning styles: Concepts and evidence", "Psychological Science in the Public Interest 9, 105-119", "10.1111/j.1539-6053.2009.01038.x", 2008}, {"Rogowsky, Calhoun & Tallal", "Matching learning style to instructional method: Effects on comprehension", "Journal of Educational Psychology 107, 64-78", "10.1037/a0037478", 2015}},
     .tags = {"styles", "evidence", "materials"}, .figures = FIGURE_ANSWERS | FIGURE_RECALL, .patterns = 1U << PATTERN_CONTENT},
    {.slug = "cognitive-load-theory",
     .title = "How much a mind can hold at once",
     .category = "ATTENTION",
     .summary = "Working memory is small; what fills it without serving the matter is taken from learning.",
     .paragraphs = {
         "Only a few things can be kept in mind and worked with at the same time; Cowan puts it at about four. What one already knows well counts as one thing, however large it is, and that is why experts cope with what swamps beginners.",
         "Sweller observed that solving problems by searching for a way can take up so much of that room that nothing is left for learning from it. Worked examples leave more: beginners learn faster from studying solutions than from hunting for them.",
         "With growing skill this turns round. Guidance that helped at first becomes one more thing to attend to, and solving by oneself is the better practice.",
         "In practice: take a hard topic apart, begin with examples, and keep text and picture that explain each other side by side. When the load stays high, a shorter session or easier questions do more than will power."},
     .sources = {{"Sweller", "Cognitive load during problem solving: Effects on learning", "Cognitive Science 12, 257-285", "10.1207/s15516709cog1202_4", 1988}, {"Cowan", "The magical number 4 in short-term memory: A reconsideration of mental storage capacity", "Behavioral and Brain Sciences 24, 87-114", "10.1017/S0140525X01003922", 2001}, {"Kalyuga, Ayres, Chandler & Sweller", "The expertise reversal effect", "Educational Psychologist 38, 23-31", "10.1207/S15326985EP3801_4", 2003}},
     .tags = {"load", "attention", "examples"}, .figures = FIGURE_LOAD | FIGURE_LENGTH, .patterns = LENGTH_KINDS},
    {.slug = "circadian-rhythms-optimal-timing",
     .title = "Morning people, evening people, and the hour of study",
     .category = "ATTENTION",
     .summary = "The body's clock moves attention through the day, differently for each person; the effect on study is real but modest.",
     .paragraphs = {
         "Body temperature, hormones and alertness rise and fall once a day, driven by an inner clock. How early that clock runs differs widely: asked when they sleep on free days, most people lie between the early and the late types, and the average moves later through youth and earlier again in adult life.",
         "Tasks that need sustained attention or control go better near one's own peak. May and colleagues found that older adults, most of them morning types, did as well as younger ones in a test of recognition in the morning, and clearly worse in the late afternoon, when the younger were at their best. Reviews of the field warn that effects depend on the task and on sleep, and are smaller than those of sleep itself.",
         "A person's best hour cannot be read off a questionnaire with any precision, nor off a few good mornings: with twenty-four hours to choose from, one will look best by luck. The server therefore names an hour only where the results of many sessions speak for it.",
         "In practice: put the hardest work where you are awake, keep the time of day regular, and do not give up sleep for it."},
     .sources = {{"May, Hasher & Stoltzfus", "Optimal time of day and the magnitude of age differences in memory", "Psychological Science 4, 326-330", "10.1111/j.1467-9280.1993.tb00573.x", 1993}, {"Roenneberg, Wirz-Justice & Merrow", "Life between clocks: Daily temporal patterns of human chronotypes", "Journal of Biological Rhythms 18, 80-90", "10.1177/0748730402239679", 2003}, {"Schmidt, Collette, Cajochen & Peigneux", "A time to think: Circadian rhythms in human cognition", "Cognitive Neuropsychology 24, 755-789", "10.1080/02643290701754158", 2007}},
     .tags = {"timing", "sleep", "attention"}, .figures = FIGURE_HOUR | FIGURE_ANSWERS, .patterns = TIME_KINDS},
    {.slug = "metacognitive-awareness",
     .title = "Knowing what one knows",
     .category = "METACOGNITION",
     .summary = "Confidence decides what is studied next, so it pays to check it against results.",
     .paragraphs = {
         "Every learner decides all the time what to go on with and what to leave, by a feeling of how well it is known. Where that feeling is wrong, effort goes to the wrong place. Dunlosky and Rawson found that students who overrated what they had learned stopped too early and remembered less.",
         "The feeling is misled by what is in view. Koriat and Bjork showed that a pair of words seems easy to remember while both are on the page, though the answer would not come to mind from the question alone.",
         "The remedy is to predict and then look. Told before an answer, confidence can be compared with what came out; told afterwards, it is only a comment. Waiting a while between learning and judging helps as well, since then the answer must come from memory.",
         "In practice: say how sure you are before each answer. If you are right half the time when you feel four-fifths sure, test yourself once more before you call a topic done."},
     .sources = {{"Koriat & Bjork", "Illusions of competence in monitoring one's knowledge during study", "Journal of Experimental Psychology: Learning, Memory, and Cognition 31, 187-194", "10.1037/0278-7393.31.2.187", 2005}, {"Dunlosky & Rawson", "Overconfidence produces underachievement: Inaccurate self evaluations undermine students' learning and retention", "Learning and Instruction 22, 271-280", "10.1016/j.learninstruc.2011.08.003", 2012}, {"Nelson & Dunlosky", "When people's judgments of learning (JOLs) are extremely accurate at predicting subsequent recall: The \"delayed-JOL effect\"", "Psychological Science 2, 267-270", "10.1111/j.1467-9280.1991.tb00147.x", 1991}},
     .tags = {"confidence", "calibration", "self-testing"}, .figures = FIGURE_CALIBRATION | FIGURE_ANSWERS, .patterns = 0},
    {.slug = "interleaved-practice-benefits",
     .title = "Mixing kinds of problems",
     .category = "LEARNING_STRATEGIES",
     .summary = "Mixed practice is harder while it lasts and better afterwards, where the kinds are easily confused.",
     .paragraphs = {
         "Exercises usually come in blocks: ten of one kind, then ten of the next. In a block one knows the method before reading the problem. An examination does not say which method a problem wants, and choosing it is a skill that blocks never train.",
         "In a classroom experiment by Rohrer and colleagues pupils got the same problems either in blocks or mixed. On an unannounced test a day after a review the mixed practice was ahead by two fifths of a standard deviation; after a month, by four fifths.",
         "It works for telling things apart as well: Kornell and Bjork's students learned to recognise painters better from mixed pictures, though most of them believed the opposite. A later synthesis found a moderate gain over all, the larger the more alike the kinds are, and the opposite for words.",
         "In practice: learn a new method in a short block, then mix it with the older ones that it could be mistaken for."},
     .sources = {{"Rohrer, Dedrick & Stershic", "Interleaved practice improves mathematics learning", "Journal of Educational Psychology 107, 900-908", "10.1037/edu0000001", 2015}, KORNELL_2008, {"Brunmair & Richter", "Similarity matters: A meta-analysis of interleaved learning and its moderators", "Psychological Bulletin 145, 1029-1052", "10.1037/bul0000209", 2019}},
     .tags = {"interleaving", "practice", "transfer"}, .figures = FIGURE_MIX | FIGURE_ANSWERS, .patterns = 0},
    {.slug = NULL},
};
/* clang-format on */

const struct article *article_find(struct str slug)
{
    for (const struct article *a = articles; a->slug; a++)
        if (str_eq(slug, str_from(a->slug)))
            return a;
    return NULL;
}

int32_t article_minutes(const struct article *a)
{
    int32_t words = 0;

    for (int i = 0; i < ARTICLE_PARAGRAPHS && a->paragraphs[i]; i++)
        for (const char *p = a->paragraphs[i]; *p; p++)
            words += *p == ' ' || !p[1];
    return words < 200 ? 1 : (words + 100) / 200;
}
