package foogpt

import (
	_ "embed"
	"encoding/csv"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/foogpt/api"
)

func TestName(t *testing.T) {
	t.Parallel()
	m := table(t)
	for _, c := range []struct{ genes, want string }{
		{"CD79A MS4A1 CD79B", "B cell"},
		{"NKG7 GNLY KLRD1", "NK cell"},
		{"LYZ S100A8 S100A9 CD14", "CD14+ monocyte"},
		{"FCGR3A MS4A7 LST1", "FCGR3A+ monocyte"},
		{"FCER1A CST3 CLEC10A", "dendritic cell"},
		{"LILRA4 IL3RA CLEC4C", "plasmacytoid dendritic cell"},
		{"PPBP PF4", "megakaryocyte or platelet"},
		{"HBB HBA1 HBA2 ALAS2", "erythroid cell"},
		{"CD34 SPINK2 PRSS57", "hematopoietic progenitor"},
		{"MZB1 JCHAIN SDC1", "plasma cell"},
		{"CD3D CD3E TRAC", "T cell"},
		{"CD3D IL7R", "CD4 T cell"},
		{"IL7R CCR7 LEF1", "naive CD4 T cell"},
		{"IL7R S100A4", "memory CD4 T cell"},
		{"FOXP3 IL2RA CTLA4", "regulatory T cell"},
		{"CD3D CD8A", "CD8 T cell"},
		{"CD8B CCR7 S100B", "naive CD8 T cell"},
		{"CD8A GZMK CCL5", "cytotoxic CD8 T cell"},
		{"TRDC TRGC1 TRDV2", "gamma-delta T cell"},
		{"SLC4A10 KLRB1", "MAIT cell"},
		{"TPSAB1 CPA3 KIT", "mast cell"},
		{"C1QA C1QB CD163", "macrophage"},
		{"CXCR2 CSF3R", "neutrophil"},
		{"DCN LUM COL1A1", "fibroblast"},
		{"MYH11 ACTA2 DES", "smooth muscle cell"},
		{"PECAM1 VWF CDH5", "endothelial cell"},
		{"EPCAM KRT8 KRT19", "epithelial cell"},
		{"SFTPC SFTPB EPCAM", "alveolar type 2 cell"},
		{"AGER HOPX PDPN", "alveolar type 1 cell"},
		{"ALB APOA1 TTR", "hepatocyte"},
		{"ACTB GAPDH MALAT1", "unknown"},
	} {
		t.Run(c.want, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, m.name(api.Cluster{ID: "x", Genes: strings.Fields(c.genes)}).Name)
		})
	}
}

// The figures are worked out by hand from w = 1, 0.631, 0.5, 0.431, …, whose
// first three make 2.131.
func TestConfidence(t *testing.T) {
	t.Parallel()
	m := markerTable{
		{name: "general", genes: []string{"G1", "G2"}, source: "one"},
		{name: "special", parents: []string{"general"}, genes: []string{"S"}, inherited: []string{"G1", "G2"}, source: "two"},
		{name: "rival", genes: []string{"R", "S"}, source: "three"},
		{name: "twin", genes: []string{"R"}, source: "four"},
	}
	for _, c := range []struct {
		name, genes string
		want        api.ClusterName
	}{
		{"nothing known", "X Y", api.ClusterName{Name: "unknown", Evidence: []string{}}},
		{"a third of the evidence that there may be", "X G1 Y Z", // 0.631/2.131
			api.ClusterName{Name: "general", Confidence: 0.296, Evidence: []string{"G1"}, Source: "one"}},
		{"parents are no rivals", "G1 G2 S", // special 2.131, rival 0.5
			api.ClusterName{Name: "special", Confidence: 0.81, Evidence: []string{"G1", "G2", "S"}, Source: "two"}},
		{"a gene counts once", "G1 G2 G1 G1",
			api.ClusterName{Name: "general", Confidence: 0.765, Evidence: []string{"G1", "G2"}, Source: "one"}},
		{"the first of equals", "R", // ½ × 1/2.131
			api.ClusterName{Name: "rival", Confidence: 0.235, Evidence: []string{"R"}, Source: "three"}},
		{"any case", "g1 g2",
			api.ClusterName{Name: "general", Confidence: 0.765, Evidence: []string{"G1", "G2"}, Source: "one"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.want.ID = "x"
			require.Equal(t, c.want, m.name(api.Cluster{ID: "x", Genes: strings.Fields(c.genes)}))
		})
	}
}

// Whatever the genes, a confidence is from 0 to 1, and 0 just for unknown.
func TestConfidenceRange(t *testing.T) {
	t.Parallel()
	m := table(t)
	for _, c := range m {
		genes := slices.Concat(c.genes, c.inherited)
		for n := range genes {
			for _, g := range [][]string{genes[:n+1], genes[n:], slices.Concat(genes[n:], m[n].genes)} {
				got := m.name(api.Cluster{ID: "x", Genes: g})
				require.NotEqual(t, api.Unknown, got.Name)
				require.Greater(t, got.Confidence, 0.0, g)
				require.LessOrEqual(t, got.Confidence, 1.0, g)
				require.Subset(t, g, got.Evidence)
			}
		}
	}
}

//go:embed testdata/pbmc68k.tsv
var pbmc68k string

// Names of real clusters; the file says where they come from.
func TestPBMC68k(t *testing.T) {
	t.Parallel()
	m := table(t)
	r := csv.NewReader(strings.NewReader(pbmc68k))
	r.Comma, r.Comment = '\t', '#'
	rows, err := r.ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 11)
	for _, row := range rows[1:] {
		got := m.in("blood").name(api.Cluster{ID: row[0], Genes: strings.Fields(row[2])})
		require.Equal(t, row[1], got.Name, row[0])
	}
}
